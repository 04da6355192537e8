"""Ads for shoppers: what they clicked goes in, finished creatives come out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from datetime import UTC, datetime

from PIL import Image

from adloom.feature_store.store import FeatureStore, UserHistory
from adloom.loop.catalogue.briefs import (
    brief,
    candidate_seeds,
    catalog_index,
    representative_ads,
    sampling,
)
from adloom.loop.catalogue.creatives import Creative, CreativeStore
from adloom.loop.demo.shop.catalog import Product
from adloom.loop.demo.shop.copywriting import describes
from adloom.loop.experiments.assignment import Assignment
from adloom.loop.serving.histories import Histories
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief
from adloom.models.compose import compose_ad
from adloom.models.engine import Drawn
from adloom.models.quality.rerank import Reranker
from adloom.models.settings import GeneratorSettings
from adloom.stream.events import Exposure


@dataclass(frozen=True)
class Variant:
    """Something that may draw: its name, number or alias of its version, its settings."""

    name: str
    version: int | str
    settings: GeneratorSettings


@dataclass(frozen=True)
class Preview:
    """An ad to look at: drawn by this variant after these clicked ads, shown to no shopper."""

    variant: Variant
    history: tuple[Creative, ...]


@dataclass(frozen=True)
class AdRequest:
    """An ad wanted for a shopper and a product; the same ``seed`` draws the same ad.

    ``assignment`` is the arm that the shopper is in while an experiment runs; ``preview`` says
    who draws and after what, whatever arm the shopper is in.
    """

    user_id: str
    product: Product
    seed: int
    assignment: Assignment | None = None
    preview: Preview | None = None


@dataclass(frozen=True)
class Ad:
    """A finished ad, and the clicked ads of its shopper that it was made after.

    ``seconds`` is how long it took, and ``drawn_together`` how many ads were drawn beside it,
    itself counted, when it was done. ``degraded`` tells that the feature store was away: the
    shopper may have a history that nobody could read.
    """

    request: AdRequest
    creative: Creative
    picture: Image.Image
    history: tuple[Creative, ...]
    seconds: float
    drawn_together: int
    degraded: bool = False

    @property
    def personalised(self) -> bool:
        """False where nothing was known of the shopper."""
        return bool(self.history)


@dataclass(frozen=True)
class Serving:
    """What draws: the variant's name in events, the registered version, its loaded adapter.

    ``settings`` are the arm's own; None takes those of the maker.
    """

    variant: str
    version: int
    adapter: str | None
    settings: GeneratorSettings | None = None


@dataclass(frozen=True)
class _UnderWay:
    """A request that is being drawn."""

    request: AdRequest
    serving: Serving
    history: tuple[Creative, ...]
    told: AdBrief
    drawn: Future[list[Drawn]]
    future: Future[Ad]
    since: float
    degraded: bool


class AdMaker:
    """Reads histories, chooses their representatives, generates, composes and keeps ads."""

    def __init__(
        self,
        generator: AdGenerator,
        features: FeatureStore,
        creatives: CreativeStore,
        settings: GeneratorSettings,
    ) -> None:
        self.generator = generator
        self.creatives = creatives
        self.settings = settings
        self.histories = Histories(features)
        self.index = catalog_index()
        self.reranker = Reranker(generator)
        self._under_way: list[_UnderWay] = []

    def make(self, requests: Sequence[AdRequest], serving: Serving) -> list[Ad]:
        """One ad a request, in their order; each is in the creative store when this returns."""
        started = self.start([(request, serving) for request in requests])
        while not all(future.done() for future in started):
            self.step()
        return [future.result() for future in started]

    def start(self, wanted: Sequence[tuple[AdRequest, Serving]]) -> list[Future[Ad]]:
        """Let requests join the ads that are being drawn; :meth:`step` draws on.

        What serves each counts as it is now: its adapter may be dropped before the ad is done. A
        future is done when its ad is in the creative store; cancel it, and the ad is drawn no
        further. An ad that cannot even be begun fails alone.
        """
        known = self.histories.read([request.user_id for request, _ in wanted])
        started: list[Future[Ad]] = []
        for request, serving in wanted:
            future: Future[Ad] = Future()
            history = None if known is None else known[request.user_id]
            try:
                self._under_way.append(self._begun(request, history, serving, future))
            except Exception as error:
                future.set_exception(error)
            started.append(future)
        return started

    def step(self) -> None:
        """Draw the next tokens of every ad, and finish those that are complete."""
        self._drop_unwanted()
        self.generator.step()
        complete = [one for one in self._under_way if one.drawn.done()]
        if complete:
            self._under_way = [one for one in self._under_way if not one.drawn.done()]
            self._finish(complete)

    def _drop_unwanted(self) -> None:
        """Take out of the batch what nobody waits for any more."""
        for one in self._under_way:
            if one.future.cancelled() and not one.drawn.done() and not one.drawn.cancel():
                one.drawn.set_exception(CancelledError())  # it runs: the engine drops its rows
        self._under_way = [one for one in self._under_way if not one.future.cancelled()]

    def _begun(
        self,
        request: AdRequest,
        known: UserHistory | None,
        serving: Serving,
        future: Future[Ad],
    ) -> _UnderWay:
        since, settings = time.monotonic(), serving.settings or self.settings
        if request.preview is not None:
            history = request.preview.history
        elif known is None:
            history = ()
        else:
            history = representative_ads(
                known,
                request.product,
                self.index,
                self.creatives,
                settings.history_items,
                coarse=settings.coarse,
            )
        told = self.generator.told(brief(request.product, history), serving.adapter)
        drawn = self.generator.start(
            told,
            seeds=candidate_seeds(request.seed, settings.candidates),
            sampling=sampling(settings),
            adapter=serving.adapter,
        )
        degraded = known is None and request.preview is None
        return _UnderWay(request, serving, history, told, drawn, future, since, degraded)

    def _finish(self, complete: Sequence[_UnderWay]) -> None:
        ads: list[tuple[Future[Ad], Ad]] = []
        together = len(complete) + len(self._under_way)
        for one in complete:
            # From here on it cannot be cancelled any more.
            if not one.future.set_running_or_notify_cancel():
                continue
            try:
                ads.append((one.future, self._composed(one, together)))
            except Exception as error:  # its own: the others go on
                one.future.set_exception(error)
        try:
            self.creatives.add(ad.creative for _, ad in ads)
        except Exception as error:
            for future, _ in ads:
                future.set_exception(error)
            return
        for future, ad in ads:
            future.set_result(ad)

    def _composed(self, one: _UnderWay, together: int) -> Ad:
        request, serving = one.request, one.serving
        cutout, name = request.product.cutout(), request.product.name
        drafts = [self.generator.draft(drawn, name) for drawn in one.drawn.result()]
        pictures = [compose_ad(draft.background, cutout) for draft in drafts]
        chosen = self.reranker.best(pictures, one.told.read_ads)
        draft, picture = drafts[chosen], pictures[chosen]
        creative = Creative(
            ad_id=str(uuid.uuid4()),
            product_id=request.product.product_id,
            title=draft.title,
            picture=self.creatives.put_picture(picture),
            codes=self.generator.encode_pictures([picture])[0],
            background_codes=draft.codes,
            variant=serving.variant,
            version=str(serving.version),
            seed=request.seed,
            served_at=datetime.now(UTC),
        )
        seconds = time.monotonic() - one.since
        return Ad(request, creative, picture, one.history, seconds, together, degraded=one.degraded)


def exposure(ad: Ad) -> Exposure:
    """The event that tells that an ad was shown now, by which variant and how likely that was.

    Its context has what an experiment is judged by: see `adloom.loop.experiments.outcomes`.
    """
    assignment, product = ad.request.assignment, ad.request.product
    return Exposure(
        event_id=str(uuid.uuid4()),
        ts=datetime.now(UTC),
        user_id=ad.request.user_id,
        item_id=ad.creative.product_id,
        ad_id=ad.creative.ad_id,
        variant=ad.creative.variant,
        propensity=1.0 if assignment is None else assignment.propensity,
        position=0,
        context={
            "version": ad.creative.version,
            "seconds": round(ad.seconds, 4),
            "drawn_together": ad.drawn_together,
            "valid_title": describes(ad.creative.title, product),
            **({"degraded": True} if ad.degraded else {}),
            **({} if assignment is None else assignment.context()),
        },
    )
