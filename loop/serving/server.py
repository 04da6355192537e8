"""The running parts of the ad server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import torch
from PIL import Image

from adloom.loop import home
from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.catalogue.intake.refresh import CatalogueRefresh
from adloom.loop.catalogue.intake.topic import ProductTopic
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.experiments.running import RunningExperiments, versions_of_arms
from adloom.loop.serving.ads import Ad, AdMaker
from adloom.loop.serving.champion import Champion
from adloom.loop.serving.drawing_queue import DrawingQueue
from adloom.loop.serving.event_sender import EventSender
from adloom.loop.serving.own_broker import own_broker
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.settings import Settings
from adloom.models.brief import AdBrief
from adloom.models.sampling import Sampling
from adloom.stream.consumer import EventConsumer
from adloom.stream.needs import to_send_events
from adloom.stream.settings import KafkaSettings

_log = logging.getLogger("adloom.serve")

_SENDER_SECONDS = 1.0  # it may be waiting for a broker that is away


class AdServer:
    """The running parts behind the HTTP interface.

    Without a configured broker it starts the local one and applies its events itself, so that
    a click posted here changes the next ad.

    One thread alone computes on all cores, the one that draws. Each thread that does so has OpenMP
    threads of its own, and with more of them than cores OpenMP puts them to sleep between any two
    products: an ad then takes twice as long.
    """

    def __init__(self, settings: Settings, parts: ExitStack, threads: int) -> None:
        """Start the parts; what draws computes with so many ``threads``."""
        parts.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        self.stop = threading.Event()
        self.consumer: EventConsumer | None = None
        kafka, self.producer = self._start_stream(settings, parts)
        self.features = features = parts.enter_context(home.open_features(settings))
        self.creatives: CreativeStore = home.open_creatives(settings)
        parts.callback(self.creatives.close)
        self.catalogue: Catalogue = home.open_catalogue(settings)
        parts.callback(self.catalogue.close)
        generator = home.load_generator(settings)
        self.registry = registry = home.registry_with_base(settings)
        beside = versions_of_arms(settings.experiments, registry, datetime.now(UTC))
        self.champion = Champion(generator, registry, beside)
        self.settings = settings
        self.timeout_seconds = settings.serve.timeout_seconds
        self._experiments = RunningExperiments(
            settings.experiments, features.log, timedelta(hours=settings.rounds.attribution_hours)
        )
        self._experiments.refresh(datetime.now(UTC))
        past_ads = home.past_ads(self.catalogue, self.creatives, generator)
        titles = home.title_words(settings, self.catalogue).rules
        self.maker = AdMaker(generator, features, past_ads, settings.generator, titles)
        self.title_advice = home.title_advice(settings, generator)
        self.refresh = CatalogueRefresh(self.catalogue, settings.catalog, self.title_advice)
        self._in_thread(parts, "catalogue", lambda: self.refresh.run(self.stop))
        self.products: ProductTopic | None = None
        if settings.catalog.topic:
            topic = ProductTopic(kafka, self.catalogue, settings.catalog, self.title_advice)
            self.products = topic
            self._in_thread(parts, "products", lambda: topic.run(self.stop))
        self._in_thread(parts, "follower", lambda: self._follow(settings.serve.follow_seconds))
        self.queue = parts.enter_context(
            DrawingQueue(
                self._start,
                self.maker.step,
                max_batch=settings.serve.max_batch,
                max_waiting=settings.serve.max_waiting,
                prepare=lambda: self._warm_up(threads),
            )
        )
        torch.set_num_threads(1)  # threads that come later go by what was said last
        parts.callback(self.stop.set)

    @property
    def problem(self) -> str | None:
        """What is wrong with the stream, though ads are drawn."""
        found = {"events": self.producer.problem}
        if self.consumer is not None:
            found["features"] = self.consumer.state.problem
        if self.products is not None:
            found["products"] = self.products.problem
        told = [f"{part}: {problem}" for part, problem in found.items() if problem is not None]
        return "; ".join(told) or None

    @property
    def notes(self) -> tuple[str, ...]:
        """What someone should see to, though events flow."""
        return () if self.consumer is None else self.consumer.state.notes

    def request(self, user_id: str, product: Product, seed: int) -> Future[Ad]:
        """Queue an ad, from the arm that the shopper is in. Raises QueueFull."""
        assignment = self._experiments.assign(user_id, datetime.now(UTC))
        return self.queue.submit(AdRequest(user_id, product, seed, assignment))

    def preview(self, request: AdRequest) -> Future[Ad]:
        """Queue an ad that no shopper is shown. Raises QueueFull."""
        return self.queue.submit(request)

    def _start_stream(
        self, settings: Settings, parts: ExitStack
    ) -> tuple[KafkaSettings, EventSender]:
        """The broker's address, and what sends to it; a broker of its own is ended after both.

        A cluster need not be there: ads are drawn without it.
        """
        kafka, patience = settings.kafka, settings.serve.timeout_seconds
        if kafka.bootstrap_servers is not None:
            # What else is missing, such as a right on products, keeps no event from being sent.
            sender = EventSender(kafka, to_send_events(kafka), patience)
        else:
            # It ends after the sender is closed: what was sent till then is read.
            kafka, self.consumer = parts.enter_context(own_broker(settings))
            sender = EventSender(kafka, to_send_events(kafka), patience)
            sender.connect()
        parts.callback(sender.close)
        self._in_thread(parts, "sender", lambda: sender.run(self.stop), _SENDER_SECONDS)
        return kafka, sender

    def _start(self, requests: Sequence[AdRequest]) -> list[Future[Ad]]:
        with self.champion.lock:
            return self.maker.start([(request, self._serving(request)) for request in requests])

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

    def _warm_up(self, threads: int) -> None:
        """Draw an ad for nobody: what is compiled or allocated first is not a shopper's wait."""
        torch.set_num_threads(threads)
        nothing = AdBrief("nothing", (), Image.new("RGBA", (64, 64), (128, 128, 128, 255)))
        self.maker.generator.generate(
            [nothing],
            seeds=[0],
            sampling=Sampling.of(self.settings.generator),
            adapter=self.champion.serving.adapter,
        )

    def _follow(self, seconds: float) -> None:
        while not self.stop.wait(seconds):
            try:
                self.maker.histories.look()
                if self.champion.follow():
                    _log.info("champion is now version %d", self.champion.serving.version)
                self._experiments.refresh(datetime.now(UTC))
            except Exception:
                # What served goes on serving while the registry or the log is away.
                _log.exception("aliases and shares could not be followed")

    def _in_thread(
        self,
        parts: ExitStack,
        name: str,
        run: Callable[[], None],
        most_seconds: float | None = None,
    ) -> None:
        """Until ``stop`` is set, and so long after it at most; without: as long as it takes."""
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        parts.callback(thread.join, most_seconds)
        parts.callback(self.stop.set)
