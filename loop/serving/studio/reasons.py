"""Why an ad looks as it does: the history, its representatives, and the tokens that were kept."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from adloom.feature_store.store import UserHistory
from adloom.loop.catalogue.briefs import brief
from adloom.loop.catalogue.histories.past_ads import PastAd, PastAds
from adloom.loop.catalogue.product import Product
from adloom.loop.serving.http.bodies import picture_path
from adloom.loop.serving.http.prefix import Places
from adloom.models.generates import Generates
from adloom.models.kept_tokens import KeptAd

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
    """What the shopper clicked; ``rank`` counts from 1 among the representatives.

    ``ad_id`` is null where no ad is known and the product itself stands for the click.
    """

    ad_id: str | None
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


def reasons(
    history: UserHistory,
    product: Product,
    chosen: Sequence[PastAd],
    past_ads: PastAds,
    generator: Generates,
    adapter: str | None,
    version: int,
    places: Places,
) -> Reasons:
    """The newest clicked ads with rank and maps; those that are read are always among them."""
    told = generator.told(brief(product, chosen), adapter)
    # No more are read than a prompt has room for.
    trend = (told.trend or ())[: generator.config.history_items]
    trendy = past_ads.creatives.get_many([ad.ad_id for ad in trend])
    maps = seen_of(generator.kept_tokens(told, adapter))
    own_maps = maps[len(trend) :]
    read = [ad.key for ad in chosen[: len(own_maps)]]
    ranks = {key: rank for rank, key in reversed(list(enumerate(read, start=1)))}
    seen = dict(zip(read, own_maps, strict=True))
    clicks = past_ads.clicked(history)
    shown = [
        click
        for n, click in enumerate(clicks)
        if len(clicks) - n <= _MOST_CLICKS or click[0].key in ranks
    ]

    def url(digest: str) -> str:
        return places.own(picture_path(digest))

    return Reasons(
        trend=[
            TrendAd(ad_id=ad.ad_id, title=ad.title, picture_url=url(kept.picture), seen=map_)
            for ad, map_ in zip(trend, maps[: len(trend)], strict=True)
            if (kept := trendy.get(ad.ad_id))
        ],
        clicks=[
            PastClick(
                ad_id=clicked.ad_id or None,
                title=clicked.title,
                picture_url=url(clicked.picture),
                clicked_at=clicked_at.isoformat(),
                rank=ranks.get(clicked.key),
                seen=seen.get(clicked.key),
            )
            for clicked, clicked_at in shown
        ],
        all_clicks=len(history),
        version=version,
    )


def seen_of(maps: Sequence[KeptAd]) -> list[Seen]:
    """Scores spread over all that is read from 0 to 1: cosines lie close together."""
    scores = [float(score) for ad in maps for score in ad.picture_scores.ravel()]
    low = min(scores, default=0.0)
    span = max(scores, default=1.0) - low or 1.0
    return [
        Seen(
            heat=((ad.picture_scores - low) / span).round(3).tolist(),
            kept=ad.picture_kept.tolist(),
            words=_words(ad),
        )
        for ad in maps
    ]


def _words(ad: KeptAd) -> list[Word]:
    """A character of several tokens passed where one of them did."""
    words: list[Word] = []
    kept = False
    for text, passed in zip(ad.words, ad.words_kept, strict=True):
        kept = kept or bool(passed)
        if text:
            words.append(Word(text=text, kept=kept))
            kept = False
    return words
