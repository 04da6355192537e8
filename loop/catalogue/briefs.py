"""What the generator is told to draw an ad: product, representative clicks, seeds, sampling."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from adloom.feature_store.store import UserHistory
from adloom.loop.catalogue.creatives import Creative, CreativeStore
from adloom.loop.demo.shop.catalog import Product, load_catalog
from adloom.loop.demo.shop.copywriting import STYLE_WORDS
from adloom.models.brief import AdBrief, HistoryAd
from adloom.models.retrieval import ItemIndex
from adloom.models.sampling import Sampling
from adloom.models.settings import Coarse, GeneratorSettings


def candidate_seeds(seed: int, n: int) -> tuple[int, ...]:
    """Seeds of the ``n`` ads that are drawn for a request; its own comes first."""
    more = np.random.SeedSequence(seed).generate_state(n - 1)
    return seed, *(int(number) for number in more)


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

    ``coarse`` is the way they are chosen (:class:`adloom.models.settings.GeneratorSettings`).
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


def brief(product: Product, history: Iterable[Creative | HistoryAd]) -> AdBrief:
    """What the generator is told."""
    return AdBrief(
        product_name=product.name,
        selling_words=product.selling_points,
        cutout=product.cutout(),
        history=tuple(HistoryAd(ad.title, ad.codes) for ad in history),
        category=product.category,
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
