"""Ads for shoppers: what they clicked goes in, finished creatives come out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from PIL import Image

from feature_store.store import FeatureStore, UserHistory
from loop.creatives import Creative, CreativeStore
from loop.experiments.assignment import Assignment
from loop.shop.catalog import Product, load_catalog
from loop.shop.copywriting import STYLE_WORDS, describes
from models.ad_generator import AdGenerator
from models.brief import AdBrief, HistoryAd
from models.compose import compose_ad
from models.retrieval import ItemIndex
from models.sampling import Sampling
from models.settings import Coarse, GeneratorSettings
from stream.events import Exposure


@dataclass(frozen=True)
class AdRequest:
    """An ad wanted for a shopper and a product; the same ``seed`` draws the same ad.

    ``assignment`` is the arm that the shopper is in while an experiment runs.
    """

    user_id: str
    product: Product
    seed: int
    assignment: Assignment | None = None


@dataclass(frozen=True)
class Ad:
    """A finished ad, and the clicked ads of its shopper that it was made after.

    ``seconds`` is how long its batch took, and ``drawn_together`` how many ads were in it.
    """

    request: AdRequest
    creative: Creative
    picture: Image.Image
    history: tuple[Creative, ...]
    seconds: float
    drawn_together: int

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
        self._features = features
        self.index = catalog_index()

    def make(self, requests: Sequence[AdRequest], serving: Serving) -> list[Ad]:
        """One ad a request, in their order; each is in the creative store when this returns."""
        ads: list[Ad] = []
        for start in range(0, len(requests), self.settings.batch_size):
            ads += self._make_batch(requests[start : start + self.settings.batch_size], serving)
        return ads

    def _make_batch(self, requests: Sequence[AdRequest], serving: Serving) -> list[Ad]:
        started = time.monotonic()
        settings = serving.settings or self.settings
        known = self._features.histories([request.user_id for request in requests])
        histories = [
            representative_ads(
                known[request.user_id],
                request.product,
                self.index,
                self.creatives,
                settings.history_items,
                coarse=settings.coarse,
            )
            for request in requests
        ]
        drafts = self.generator.generate(
            [brief(r.product, h) for r, h in zip(requests, histories, strict=True)],
            seeds=[request.seed for request in requests],
            sampling=sampling(settings),
            adapter=serving.adapter,
        )
        pictures = [
            compose_ad(draft.background, request.product.cutout())
            for draft, request in zip(drafts, requests, strict=True)
        ]
        codes = self.generator.encode_pictures(pictures)
        now, seconds = datetime.now(UTC), time.monotonic() - started
        ads = [
            Ad(
                request,
                Creative(
                    ad_id=str(uuid.uuid4()),
                    product_id=request.product.product_id,
                    title=draft.title,
                    picture=self.creatives.put_picture(picture),
                    codes=seen,
                    background_codes=draft.codes,
                    variant=serving.variant,
                    version=str(serving.version),
                    seed=request.seed,
                    served_at=now,
                ),
                picture,
                history,
                seconds,
                len(requests),
            )
            for request, draft, picture, seen, history in zip(
                requests, drafts, pictures, codes, histories, strict=True
            )
        ]
        self.creatives.add(ad.creative for ad in ads)
        return ads


def catalog_index() -> ItemIndex:
    """The FAISS index over the shop's products by name and selling points, and by category."""
    catalog = load_catalog()
    texts = [f"{p.name}: {', '.join(p.selling_points)}" for p in catalog.values()]
    return ItemIndex(list(catalog), texts, [p.category for p in catalog.values()])


def representative_ads(
    history: UserHistory,
    product: Product,
    index: ItemIndex,
    creatives: CreativeStore,
    k: int,
    *,
    coarse: Coarse = "representative",
) -> tuple[Creative, ...]:
    """The clicked ads that stand for a shopper's taste when selling ``product``, nearest first.

    ``coarse`` is the way they are chosen (:class:`models.settings.GeneratorSettings`).
    Clicks whose ad is not in the creative store tell nothing of a taste in ads: left out.
    """
    kept = creatives.get_many([ad_id for ad_id in history.ad_ids if ad_id])
    clicks = [
        (item_id, clicked_at, kept[ad_id])
        for item_id, clicked_at, ad_id in zip(
            history.item_ids, history.clicked_at, history.ad_ids, strict=True
        )
        if ad_id in kept
    ]
    if not clicks or k == 0:
        return ()
    items, times, ads = zip(*clicks, strict=True)
    if coarse == "similarity":
        chosen = index.sampled(product.product_id, items, k)
    else:
        chosen = index.representatives(product.product_id, items, times, k)
    return tuple(ads[i] for i in chosen)


def brief(product: Product, history: Iterable[Creative]) -> AdBrief:
    """What the generator is told."""
    return AdBrief(
        product_name=product.name,
        selling_words=product.selling_points,
        cutout=product.cutout(),
        history=tuple(HistoryAd(ad.title, ad.codes) for ad in history),
    )


def sampling(settings: GeneratorSettings) -> Sampling:
    """The draw that the settings ask for."""
    return Sampling(
        guidance=settings.guidance,
        temperature=settings.temperature,
        title_temperature=settings.title_temperature,
        foreground_strength=settings.foreground_strength,
        style_words=STYLE_WORDS if settings.constrain_titles else None,
    )


def exposure(ad: Ad) -> Exposure:
    """The event that tells that an ad was shown now, by which variant and how likely that was.

    Its context has what an experiment is judged by: see `loop.experiments.outcomes`.
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
            **({} if assignment is None else assignment.context()),
        },
    )
