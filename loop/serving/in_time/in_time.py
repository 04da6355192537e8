"""The parts behind requests with a deadline: what they share, and the thread that keeps it new."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from adloom.feature_store.backend import StoreUnavailable
from adloom.feature_store.event_log import EventLog
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.product import Product
from adloom.loop.pool.counts import ClickCounts
from adloom.loop.pool.creatives import CreativePool
from adloom.loop.pool.looks import Encoders, Look, LookArrays, Looks, SeenAd
from adloom.loop.pool.ranker import Ranker
from adloom.loop.pool.taste import NOTHING_KNOWN, Taste
from adloom.loop.pool.weights import latest
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.drawing_queue import DrawingQueue
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.in_time.answers import Answer, Answers
from adloom.loop.serving.in_time.behind import Behind
from adloom.loop.serving.in_time.choosing import Choosing, drawn_by_name
from adloom.loop.serving.in_time.chosen import Chosen, Found
from adloom.loop.serving.in_time.drawn_for import DrawnFor
from adloom.loop.serving.kept_ads import NotShown
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.settings import Settings

_log = logging.getLogger("adloom.serve")

_UNSEEN = 1_000  # ads that wait for their looks; the newest
_UNSEEN_AT_ONCE, _LOOKS_AT_ONCE = 256, 16


class InTime:
    """Finished ads for who cannot wait, and those that are drawn behind."""

    def __init__(
        self,
        settings: Settings,
        maker: AdMaker,
        log: EventLog,
        queue: DrawingQueue,
    ) -> None:
        """``maker`` is what the ads in ``queue`` are made by. Nothing is read before the first
        request."""
        self._settings = settings
        self._past_ads = past_ads = maker.past_ads
        self._creatives = creatives = past_ads.creatives
        engine = past_ads.catalogue.engine
        self._engine = engine
        texts, code_vectors = past_ads.catalogue.vectors.encoder, maker.generator.code_vectors
        self._looks = Looks(engine, Encoders(past_ads.codebook, code_vectors, texts))
        self._pool = CreativePool(engine, self._looks, settings.pool.most)
        attribution = timedelta(hours=settings.rounds.attribution_hours)
        self._counts = ClickCounts(log, attribution, timedelta(days=settings.pool.counted_days))
        self._drawn_for = DrawnFor()
        self._choosing = Choosing(
            self._pool,
            self._looks,
            creatives,
            maker.histories,
            settings.pool,
            lambda: self._counts.now,
            self._note_unseen,
            self._drawn_for.ads,
        )
        self.behind = Behind(
            queue.submit,
            lambda: queue.has_room,
            self._join,
            lambda creative, found: self._drawn_for.note(creative.ad_id, found),
            settings.pool.behind,
        )
        self.answers = Answers(engine)
        self._unseen: OrderedDict[str, None] = OrderedDict()
        self._asked = threading.Event()

    def find(self, wanted: Sequence[tuple[AdRequest, Serving]]) -> list[Found]:
        """What there is for each request; one that came before is told what it got."""
        self._asked.set()
        there = self._choosing.find(wanted)
        return [self._or_again(self._as_good_as_anew(found)) for found in there]

    def _as_good_as_anew(self, found: Found) -> Found:
        """What was drawn for the same clicks would be no better drawn again, unless it is gone."""
        drawn = None if found.fits else self._drawn_for.drawn(found)
        if drawn is None:
            return found
        if self._choosing.has(found, drawn):
            return replace(found, fits=True)
        there = self._creatives.get_many([drawn]).get(drawn)
        waits = there is not None and there.state == "draft"
        return replace(found, enough_wait=True) if waits else found

    def _or_again(self, found: Found) -> Found:
        name = found.request.ad_id
        if name is None or (given := self.answers.get(name)) is None:
            return found
        creative = self._shown(given)
        if creative is None:
            return found
        return replace(found, best=_again(found, given, creative), fits=True)

    def _shown(self, given: Answer) -> Creative | None:
        """The ad that was answered; None where it was banned or erased since."""
        creative = self._creatives.get_many([given.ad_id]).get(given.ad_id)
        return creative if creative is not None and creative.state == "approved" else None

    def settled(self, chosen: Chosen) -> Chosen:
        """The same, or what a request of this name got elsewhere."""
        name = chosen.request.ad_id
        if name is None:
            return chosen
        given, creative = self._settle(name, Answer(chosen.creative.ad_id, chosen.source))
        if creative is None:
            return chosen
        return replace(chosen, creative=creative, source=given.source, fit=None, choice=None)

    def settled_ad(self, ad: Ad, found: Found) -> Ad | Chosen:
        """An ad that was drawn in time, or what a request of this name got elsewhere.

        It may have been drawn for another arm that draws the same: it counts as that of this one.
        """
        creative = replace(ad.creative, variant=found.serving.variant)
        ad = replace(ad, request=found.request, creative=creative)
        name = found.request.ad_id
        if name is None:
            return ad
        given, other = self._settle(name, Answer(ad.creative.ad_id, "drawn"))
        return ad if other is None else _again(found, given, other)

    def _settle(self, name: str, ours: Answer) -> tuple[Answer, Creative | None]:
        """What is answered, and its ad where it is not ours."""
        given = self.answers.settle(name, ours)
        if given == ours:
            return ours, None
        if (creative := self._shown(given)) is None:
            self.answers.replace(name, given, ours)
            return ours, None
        return given, creative

    def keep_new(self, stop: threading.Event, tell: Callable[[str | None], None]) -> None:
        """Count clicks, look for new weights, make looks; once somebody asked.

        ``tell`` takes what is wrong, or None.
        """
        while not self._asked.wait(1.0):
            if stop.is_set():
                return
        while not stop.is_set():
            try:
                self.refresh(stop)
            except (StoreUnavailable, OSError) as error:
                tell(f"ads are chosen by the clicks that were known before: {error}")
            else:
                tell(None)
            stop.wait(self._settings.pool.refresh_seconds)

    def refresh(self, stop: threading.Event | None = None) -> None:
        """Once. Raises what log, database and pictures raise."""
        self._counts.refresh(datetime.now(UTC))
        self._choosing.ranker = self._ranker()
        self._make_looks(stop or threading.Event())

    def _ranker(self) -> Ranker:
        fitted, now = latest(self._engine), self._choosing.ranker
        if fitted is None or fitted.weights == now.weights:
            return now
        _log.info("ads of the pool are ranked by the weights of %s", fitted.made_at.isoformat())
        return Ranker(fitted.weights, self._settings.pool.explore)

    def _note_unseen(self, ad_ids: Sequence[str]) -> None:
        for ad_id in ad_ids:
            self._unseen[ad_id] = None
        while len(self._unseen) > _UNSEEN:
            self._unseen.popitem(last=False)

    def _make_looks(self, stop: threading.Event) -> None:
        """Of some ads that shoppers clicked, those that were met last first."""
        for _ in range(_UNSEEN_AT_ONCE // _LOOKS_AT_ONCE):
            names: list[str] = []
            while self._unseen and len(names) < _LOOKS_AT_ONCE:
                names.append(self._unseen.popitem()[0])
            if not names or stop.is_set():
                return
            self._look_at(list(self._creatives.get_many(names).values()))

    def _look_at(self, ads: Sequence[Creative]) -> list[Look]:
        """Of those whose pictures are not lost."""
        products = self._past_ads.catalogue.find(ad.product_id for ad in ads)
        codes = self._past_ads.codes_of(ads)
        return self._looks.make(
            [
                SeenAd(ad.ad_id, codes[ad.ad_id], ad.title, products.get(ad.product_id))
                for ad in ads
                if ad.ad_id in codes
            ]
        )

    def join_once_approved(self, drawing: Future[Ad], request: AdRequest, serving: Serving) -> None:
        """An ad that waits for a person's approval is shown to shoppers from then on."""
        drawing.add_done_callback(lambda done: self._held(done, request, serving))

    def _held(self, done: Future[Ad], request: AdRequest, serving: Serving) -> None:
        error = None if done.cancelled() else done.exception()
        if not isinstance(error, NotShown) or error.creative.state != "draft":
            return
        try:
            self._put(error.creative, request.product, drawn_by_name(serving), NOTHING_KNOWN)
        except Exception:
            _log.exception("an ad that waits for approval could not join the pool")

    def _join(self, ad: Ad, found: Found) -> None:
        if ad.creative.state == "approved":
            self._put(ad.creative, ad.request.product, found.drawn_by, found.taste)
            self._drawn_for.note(ad.creative.ad_id, found)

    def _put(self, creative: Creative, product: Product, drawn_by: str, taste: Taste) -> None:
        looks = self._look_at([creative])  # none where its picture is lost already
        likeness = taste.likeness(LookArrays.of(looks)).sum(axis=0)
        self._pool.join(creative.ad_id, product, drawn_by, likeness, self._counts.now)


def _again(found: Found, given: Answer, creative: Creative) -> Chosen:
    return Chosen(
        found.request,
        found.serving,
        creative,
        given.source,
        fit=None,
        choice=None,
        among=1,
        personalised=len(found.taste) > 0,
        degraded=found.degraded,
        since=found.since,
        seconds=0.0,
    )


def drawn(future: Future[Ad]) -> Ad | None:
    """What came of it, if it is done and may be shown."""
    if not future.done() or future.cancelled() or future.exception() is not None:
        return None
    ad = future.result()
    return ad if ad.creative.state == "approved" else None
