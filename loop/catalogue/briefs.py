"""What the generator is told to draw an ad: product, representative clicks, seeds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from adloom.loop.catalogue.histories.past_ads import PastAd
from adloom.loop.catalogue.product import NoCutout, Product
from adloom.models.brief import AdBrief, HistoryAd
from adloom.models.compose import compose_ad, show_whole
from adloom.models.titles.rules import TitleRules


def candidate_seeds(seed: int, n: int) -> tuple[int, ...]:
    """Seeds of the ``n`` ads that are drawn for a request; its own comes first."""
    more = np.random.SeedSequence(seed).generate_state(n - 1)
    return seed, *(int(number) for number in more)


def brief(
    product: Product,
    history: Iterable[PastAd | HistoryAd],
    titles: TitleRules | None = None,
    *,
    constrained: bool = True,
) -> AdBrief:
    """What the generator is told.

    Selling points that ``titles`` do not allow are left out. Only where it is ``constrained`` is
    the title held to them while it is written, and only then: without ``titles`` nothing is.

    Raises:
        NoCutout: the product has no picture at all.
    """
    points = product.selling_points
    return AdBrief(
        product_name=product.name,
        selling_words=points if titles is None else titles.allowed(points),
        cutout=_seen(product),
        history=tuple(HistoryAd(ad.title, ad.codes, title_rank=ad.title_rank) for ad in history),
        category=product.category,
        titles=titles if constrained else None,
        short_name=product.short_name,
        language=product.language,
        placement=product.placement,
    )


def finished(
    background: Image.Image, product: Product, *, size: int = 512, shadow: bool = True
) -> Image.Image:
    """The picture of an ad, RGB: the product on what was drawn.

    A product that has no cutout is shown as its shop shows it: pasted it would be a box. Without
    ``shadow`` what was drawn holds the product, and so its shadow, already.
    """
    if product.cutout_name:
        return compose_ad(background, product.cutout(), product.placement, size=size, shadow=shadow)
    return show_whole(_seen(product), size=size)


def _seen(product: Product) -> Image.Image:
    """The product alone, or else its whole picture: RGBA."""
    if product.cutout_name:
        return product.cutout()
    whole = product.whole_picture()
    if whole is None:
        raise NoCutout(f"product {product.product_id!r} has no picture")
    return whole.convert("RGBA")
