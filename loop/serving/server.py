"""The running parts of the ad server."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import torch

from adloom.feature_store.store import StoreUnavailable
from adloom.loop import home
from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.catalogue.intake.refresh import CatalogueRefresh
from adloom.loop.catalogue.intake.topic import ProductTopic
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.experiments.assignment import Assignment
from adloom.loop.experiments.running import RunningExperiments, versions_of_arms
from adloom.loop.serving import metrics
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.champion import Champion
from adloom.loop.serving.drawing_place import place_to_draw
from adloom.loop.serving.drawing_queue import DrawingQueue
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.in_time.in_time import InTime
from adloom.loop.serving.own_broker import started_stream
from adloom.loop.serving.parts import Part, Parts
from adloom.loop.serving.readiness import Readiness
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.serving.trial import Drawing, NotDrawnYet, Trial
from adloom.loop.settings import Settings

_log = logging.getLogger("adloom.serve")

_LOOK_SECONDS = 0.5  # how often a trial that waits sees that the server ends
_NO_PRODUCTS = "the catalogue sells nothing: adloom catalog import, or POST /v1/products"
_SENDER_SECONDS = 1.0  # it may be waiting for a broker that is away


class AdServer:
    """The running parts behind the HTTP interface.

    Without a configured broker it starts the local one and applies its events itself, so that
    a click posted here changes the next ad.

    One thread alone computes on all cores, the one that draws, in a process of its own or here.
    Each thread that does so has OpenMP threads of its own, and with more of them than cores OpenMP
    puts them to sleep between any two products: an ad then takes twice as long.
    """

    def __init__(
        self,
        settings: Settings,
        parts: ExitStack,
        threads: int,
        tell: Callable[[str], None] = _log.debug,
    ) -> None:
        """Start the parts.

        Args:
            parts: closes them.
            threads: what draws computes with so many.
            tell: takes what is done from now on.
        """
        parts.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        self.stop = threading.Event()
        self.parts = Parts(self.stop)
        tell("loading the model")
        place = place_to_draw(settings, parts, threads)
        own = settings.kafka.bootstrap_servers is None
        tell("starting the local broker" if own else "connecting to Kafka in the background")
        kafka, self.producer, self.consumer = started_stream(settings, parts)
        self.parts.ask("events", lambda: self.producer.problem)
        self._in_thread(parts, "events", lambda: self.producer.run(self.stop), _SENDER_SECONDS)
        tell(f"opening the stores under {settings.home}")
        self.features = features = parts.enter_context(home.open_features(settings))
        self.pictures = pictures = home.open_pictures(settings, keep_waiting=True)
        self.forgotten = parts.enter_context(home.who_is_forgotten(settings, "adloom serve"))
        self._in_thread(parts, "privacy", self._follow_forgotten)
        self.creatives: CreativeStore = home.open_creatives(settings, pictures)
        parts.callback(self.creatives.close)
        self.catalogue: Catalogue = home.open_catalogue(settings, pictures)
        parts.callback(self.catalogue.close)
        self.parts.ask("pictures", lambda: pictures.files.problem)
        if pictures.files.store is not None:
            self._in_thread(parts, "pictures", lambda: pictures.files.watch(self.stop))
        tell("looking up versions in the registry")
        generator = place.generator
        self.registry = registry = home.registry_to_serve_from(settings, generator)
        last, now = home.last_served(settings), datetime.now(UTC)
        beside = versions_of_arms(settings.experiments, registry, now, last.read())
        self._trial = Trial(generator, settings.generator)
        self._not_followed: str | None = None  # what the log says last
        self.champion = Champion(generator, registry, self._trial, last)
        self.settings = settings
        self.timeout_seconds = settings.serve.timeout_seconds
        tell("reading clicks and products")
        self._experiments = RunningExperiments(
            settings.experiments, features.log, timedelta(hours=settings.rounds.attribution_hours)
        )
        self._refresh_shares()
        past_ads = home.past_ads(self.catalogue, self.creatives, generator)
        self.titles = home.title_words(settings, self.catalogue).rules
        self.maker = AdMaker(
            generator, features, past_ads, settings.generator, self.titles, settings.review
        )
        self.title_advice = home.title_advice(settings, generator)
        self.refresh = CatalogueRefresh(self.catalogue, settings.catalog, self.title_advice)
        self.parts.ask("database", lambda: self.catalogue.problem() or self.creatives.problem())
        self.parts.ask("feed", lambda: self.refresh.problem)
        self._in_thread(parts, "feed", lambda: self.refresh.run(self.stop))
        self.products: ProductTopic | None = None
        if settings.catalog.topic:
            topic = ProductTopic(kafka, self.catalogue, settings.catalog, self.title_advice)
            self.products = topic
            self.parts.ask("products", lambda: topic.problem)
            self._in_thread(parts, "products", lambda: topic.run(self.stop))
        tell("drawing a first ad, for nobody")
        self.queue = parts.enter_context(
            DrawingQueue(
                self._start,
                self.maker.step,
                wake=generator.wake,
                max_batch=settings.serve.max_batch,
                max_waiting=settings.serve.max_waiting,
                prepare=lambda: self._begin(beside, place.threads),
            )
        )
        torch.set_num_threads(1)  # threads that come later go by what was said last
        self._trial.wait = self._drawn_between
        self.in_time = InTime(settings, self.maker, features.log, self.queue)
        self._in_thread(parts, "pool", lambda: self.in_time.keep_new(self.stop, self._tell_of_pool))
        self._in_thread(parts, "behind", lambda: self.in_time.behind.run(self.stop))
        self.parts.ask("registry", lambda: self.champion.problem)
        self.parts.ask("features", self._features_problem)
        self.parts.ask("drawing", lambda: self.queue.problem or place.problem())
        self._in_thread(parts, "registry", lambda: self._follow(settings.serve.follow_seconds))
        parts.callback(self.stop.set)

    @property
    def readiness(self) -> Readiness:
        """How it is, and what is wrong with which part; metrics tell the same."""
        problems = self.parts.problems()
        readiness = Readiness(self.champion.serving.version, problems, self.notes)
        for name in self.parts.names:
            metrics.PART_UP.labels(name).set(name not in problems)
        metrics.READY.set(readiness.draws)
        return readiness

    @property
    def loses_events(self) -> bool:
        """Whether events are not applied, and what would keep them ends with this server."""
        return self.consumer is not None and self.consumer.failing

    @property
    def notes(self) -> tuple[str, ...]:
        """What someone should see to, though nothing is wrong."""
        of_stream = self.producer.notes if self.consumer is None else self.consumer.state.notes
        return (*of_stream, _NO_PRODUCTS) if self.catalogue.sells_nothing else of_stream

    def assigned(self, experiment: str, variant: str, propensity: float | None) -> Assignment:
        """The arm that a caller put a shopper in. Raises NotAssignable."""
        return self._experiments.assigned(experiment, variant, propensity, datetime.now(UTC))

    def request(self, wanted: AdRequest) -> Future[Ad]:
        """Queue an ad. Raises QueueFull."""
        return self.queue.submit(self._in_arm(wanted))

    def placed(self, wanted: AdRequest) -> tuple[AdRequest, Serving]:
        """The request in its arm, and what would draw it now."""
        placed = self._in_arm(wanted)
        return placed, self._serving(placed)

    def _in_arm(self, wanted: AdRequest) -> AdRequest:
        """For who is left alone what anybody gets, else of their arm."""
        now = datetime.now(UTC)
        if self.forgotten.refuses(wanted.user_id, now):
            return replace(wanted, assignment=None, personalised=False)
        if wanted.assignment is not None:
            return wanted
        return replace(wanted, assignment=self._experiments.assign(wanted.user_id, now))

    def preview(self, request: AdRequest) -> Future[Ad]:
        """Queue an ad that no shopper is shown. Raises QueueFull."""
        return self.queue.submit(request)

    def _start(self, requests: Sequence[AdRequest]) -> list[Future[Ad]]:
        """Let requests join; one that nothing serves fails alone."""
        with self.champion.lock:
            serving: list[tuple[AdRequest, Serving]] = []
            unserved: dict[int, Future[Ad]] = {}
            for number, request in enumerate(requests):
                try:
                    serving.append((request, self._serving(request)))
                except Exception as error:
                    unserved[number] = Future()
                    unserved[number].set_exception(error)
            started = self.maker.start(serving)
        for drawing, wanted in zip(started, serving, strict=True):
            self.in_time.join_once_approved(drawing, *wanted)
        follow = iter(started)
        return [unserved.get(number) or next(follow) for number in range(len(requests))]

    def _serving(self, request: AdRequest) -> Serving:
        if request.preview is not None:
            by = request.preview.variant
            return replace(self.champion.version(by.version), variant=by.name, settings=by.settings)
        if request.assignment is None:
            return self.champion.serving
        arm = self._experiments.arm(request.assignment)
        return replace(
            self.champion.version(arm.version),
            variant=request.assignment.variant,
            settings=arm.applied_to(self.settings.generator),
        )

    def _begin(self, beside: Collection[int | str], threads: int) -> None:
        """What serves has drawn an ad for nobody: what comes first is not a shopper's wait."""
        torch.set_num_threads(threads)
        self.champion.begin(beside)
        self._tell_of_versions()

    def _drawn_between(self, drawing: Drawing) -> None:
        """Let the thread that draws do this beside its ads. Raises NotDrawnYet."""
        self.queue.draw(drawing)
        deadline = time.monotonic() + self.timeout_seconds
        while not wait([drawing], timeout=_LOOK_SECONDS).done:
            if self.stop.is_set() or not self.queue.alive or time.monotonic() > deadline:
                raise NotDrawnYet("no ad of it could be drawn yet, beside those that are wanted")

    def _tell_of_versions(self) -> None:
        champion = self.champion
        if champion.problem != self._not_followed:
            self._not_followed = champion.problem
            if champion.problem is None:
                _log.info("registry: what it names is served again")
            else:
                _log.warning("registry: %s", champion.problem)
        metrics.tell_versions(champion.served)
        metrics.tell_followed(champion.followed)
        if champion.looked_at is not None:
            metrics.ALIAS_LOOKED.set(champion.looked_at)

    def _follow(self, seconds: float) -> None:
        """What served goes on serving while the registry or a store is away."""
        while not self.stop.wait(seconds):
            self.maker.histories.look()
            if self.champion.follow():
                _log.info("champion is now version %d", self.champion.serving.version)
            self._tell_of_versions()
            self._refresh_shares()

    def _follow_forgotten(self) -> None:
        """Each event is looked at where it is sent: what is known now counts from now on."""
        while not self.stop.is_set():
            try:
                if self.forgotten.look():
                    self.pictures.let_go()  # of ads that another server erases
                    self.forgotten.confirm()
            except StoreUnavailable as error:
                self.parts.tell("privacy", str(error))
            else:
                self.parts.tell("privacy", None)
            self.stop.wait(_LOOK_SECONDS)

    def _refresh_shares(self) -> None:
        try:
            self._experiments.refresh(datetime.now(UTC))
        except (StoreUnavailable, OSError) as error:
            self.parts.tell("experiments", f"shares stay as they are: {error}")
        else:
            self.parts.tell("experiments", None)

    def _tell_of_pool(self, problem: str | None) -> None:
        self.parts.tell("pool", problem)

    def _features_problem(self) -> str | None:
        """Of the consumer that writes them, if it is this server's own, or of who reads them."""
        if self.consumer is not None and (problem := self.consumer.state.problem) is not None:
            return problem
        return self.maker.histories.problem

    def _in_thread(
        self,
        parts: ExitStack,
        name: Part,
        run: Callable[[], None],
        most_seconds: float | None = None,
    ) -> None:
        """Until ``stop`` is set, and so long after it at most; without: as long as it takes."""
        thread = self.parts.run(name, run)
        parts.callback(thread.join, most_seconds)
        parts.callback(self.stop.set)
