"""Why an ad looks as it does: the history, its representatives, and the tokens that were kept."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from adloom.feature_store.store import UserHistory
from adloom.loop.catalogue.briefs import brief, representative_ads
from adloom.loop.catalogue.creatives import Creative, CreativeStore
from adloom.loop.demo.shop.catalog import Product
from adloom.loop.serving.http.bodies import picture_url
from adloom.models.ad_generator import AdGenerator
from adloom.models.kept_tokens import KeptAd, kept_tokens
from adloom.models.retrieval import ItemIndex
from adloom.models.settings import GeneratorSettings

_MOST_CLICKS = 60


class Word(BaseModel):
    """A piece of a title, and whether it passed the fine stage."""

    text: str
    kept: bool


class Seen(BaseModel):
    """What the fine stage saw of a picture and its title.

    ``heat`` has a row of scores from 0 to 1 for each row of picture tokens, 1 the best of all
    that was read; ``kept`` tells in the same shape which passed.
    """

    heat: list[list[float]]
    kept: list[list[bool]]
    words: list[Word]


class PastClick(BaseModel):
    """An ad that the shopper clicked; ``rank`` counts from 1 among the representatives."""

    ad_id: str
    title: str
    picture_url: str
    clicked_at: str
    rank: int | None
    seen: Seen | None


class TrendAd(BaseModel):
    """An ad that everybody clicks in the product's category of late."""

    ad_id: str
    title: str
    picture_url: str
    seen: Seen


class Reasons(BaseModel):
    """The shopper's clicked ads, oldest first, and how many clicks there are in all.

    ``trend`` are the ads that the version reads before these, the most clicked first.
    """

    trend: list[TrendAd]
    clicks: list[PastClick]
    all_clicks: int
    version: int


def chosen_ads(
    history: UserHistory,
    product: Product,
    index: ItemIndex,
    creatives: CreativeStore,
    settings: GeneratorSettings,
) -> tuple[Creative, ...]:
    """The representatives for a product, which the catalogue need not have."""
    if product.product_id not in index:
        text = f"{product.name}: {', '.join(product.selling_points)}"
        index = index.including(product.product_id, text, product.category)
    return representative_ads(
        history, product, index, creatives, settings.history_items, coarse=settings.coarse
    )


def reasons(
    history: UserHistory,
    product: Product,
    chosen: Sequence[Creative],
    creatives: CreativeStore,
    generator: AdGenerator,
    adapter: str | None,
    version: int,
) -> Reasons:
    """The newest clicked ads with rank and maps; those that are read are always among them."""
    told = generator.told(brief(product, chosen), adapter)
    # No more are read than a prompt has room for.
    trend = (told.trend or ())[: generator.model.config.history_items]
    wanted = [ad_id for ad_id in history.ad_ids if ad_id] + [ad.ad_id for ad in trend]
    known = creatives.get_many(wanted)
    times = dict(zip(history.ad_ids, history.clicked_at, strict=True))  # the latest click counts
    maps = _scaled(kept_tokens(generator.model, [told], generator.conditioning(adapter))[0])
    own_maps = maps[len(trend) :]
    read = [ad.ad_id for ad in chosen[: len(own_maps)]]
    ranks = {ad_id: rank for rank, ad_id in reversed(list(enumerate(read, start=1)))}
    seen = dict(zip(read, own_maps, strict=True))
    ads = sorted((known[ad_id] for ad_id in times if ad_id in known), key=lambda a: times[a.ad_id])
    shown = [ad for n, ad in enumerate(ads) if len(ads) - n <= _MOST_CLICKS or ad.ad_id in ranks]
    return Reasons(
        trend=[
            TrendAd(ad_id=ad.ad_id, title=ad.title, picture_url=picture_url(kept), seen=map_)
            for ad, map_ in zip(trend, maps[: len(trend)], strict=True)
            if (kept := known.get(ad.ad_id))
        ],
        clicks=[
            PastClick(
                ad_id=ad.ad_id,
                title=ad.title,
                picture_url=picture_url(ad),
                clicked_at=times[ad.ad_id].isoformat(),
                rank=ranks.get(ad.ad_id),
                seen=seen.get(ad.ad_id),
            )
            for ad in shown
        ],
        all_clicks=len(history),
        version=version,
    )


def _scaled(maps: Sequence[KeptAd]) -> list[Seen]:
    """Scores spread over all that is read from 0 to 1: cosines lie close together."""
    scores = [float(score) for ad in maps for score in ad.picture_scores.ravel()]
    low = min(scores, default=0.0)
    span = max(scores, default=1.0) - low or 1.0
    return [
        Seen(
            heat=((ad.picture_scores - low) / span).round(3).tolist(),
            kept=ad.picture_kept.tolist(),
            words=[
                Word(text=text, kept=bool(kept))
                for text, kept in zip(ad.words, ad.words_kept, strict=True)
            ],
        )
        for ad in maps
    ]
