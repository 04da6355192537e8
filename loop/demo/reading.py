"""What the generator read of a shopper's clicks before it drew: which, how alike, which parts."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from adloom.loop.catalogue.briefs import brief
from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.studio.reasons import Word, seen_of
from adloom.models.ad_generator import AdGenerator
from adloom.models.kept_tokens import kept_tokens
from adloom.models.retrieval import relevance


class ReadAd(BaseModel):
    """A clicked ad that was read.

    Attributes:
        ad_id: "" where the product itself stands for the click.
        title: what it says.
        picture: its name in the picture store.
        likeness: cosine of its product to the one that is sold, -1..1; None of a trend's.
        kept: by rows of the picture's tokens, "1" where the fine stage kept one.
        words: of the title, and whether they were kept.
        everybodys: it is of what everybody clicks in the category, not of the shopper's own.
    """

    model_config = ConfigDict(frozen=True)

    ad_id: str
    title: str
    picture: str
    likeness: float | None
    kept: tuple[str, ...]
    words: tuple[Word, ...]
    everybodys: bool = False


def what_was_read(
    ads: Sequence[Ad], adapter: str | None, generator: AdGenerator, past_ads: PastAds
) -> list[tuple[ReadAd, ...]]:
    """For each ad, which the version with ``adapter`` drew, what it read, first what came first."""
    told = [generator.told(brief(ad.request.product, ad.history), adapter) for ad in ads]
    maps = kept_tokens(generator.model, told, generator.conditioning(adapter))
    items = {past.product_id for ad in ads for past in ad.history}
    items |= {ad.request.product.product_id for ad in ads}
    placed = past_ads.catalogue.vectors.placed(sorted(items))
    most = generator.model.config.history_items
    trends = [(one.trend or ())[:most] for one in told]
    trendy = past_ads.creatives.get_many([ad.ad_id for trend in trends for ad in trend])
    found: list[tuple[ReadAd, ...]] = []
    for ad, trend, kept in zip(ads, trends, maps, strict=True):
        target = placed[ad.request.product.product_id].vector
        seen = seen_of(kept)
        read = [
            ReadAd(
                ad_id=one.ad_id,
                title=one.title,
                picture=trendy[one.ad_id].picture,
                likeness=None,
                kept=_rows(part.kept),
                words=tuple(part.words),
                everybodys=True,
            )
            for one, part in zip(trend, seen, strict=False)
            if one.ad_id in trendy
        ]
        for past, part in zip(ad.history, seen[len(trend) :], strict=False):
            [cosine] = relevance(target, placed[past.product_id].vector[None])
            read.append(
                ReadAd(
                    ad_id=past.ad_id,
                    title=past.title,
                    picture=past.picture,
                    likeness=round(float(cosine), 3),
                    kept=_rows(part.kept),
                    words=tuple(part.words),
                )
            )
        found.append(tuple(read))
    return found


def _rows(kept: Sequence[Sequence[bool]]) -> tuple[str, ...]:
    return tuple("".join("1" if used else "0" for used in row) for row in kept)
