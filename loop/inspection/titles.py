"""Titles of finished ads against the words that are banned now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Engine, select

from adloom.loop.catalogue.creatives.reviewing import judge
from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.database.tables import creatives, pool
from adloom.models.titles.mentions import mentions
from adloom.models.titles.rules import TitleRules

_ADS_AT_ONCE = 500
_BY = "word list"

Titles = Callable[[Product], TitleRules]


class _Ad(NamedTuple):
    ad_id: str
    product_id: str
    title: str


class SaysBanned(ValueError):
    """The title of an ad says a banned word; the message says what to do."""


def banned_word(title: str, product: Product, rules: TitleRules) -> str | None:
    """The first banned word that a title says; what the product's own name says is its name."""
    names = product.name, product.short_name
    return next(
        (
            word
            for word in rules.banned
            if mentions(title, word) and not any(mentions(name, word) for name in names)
        ),
        None,
    )


def approve(
    catalogue: Catalogue,
    creatives_kept: CreativeStore,
    titles: Titles,
    ad_ids: Sequence[str],
    *,
    why: str,
    by: str,
) -> set[str]:
    """Let ads be shown; those there are. Raises SaysBanned, and then none of them is."""
    ads = creatives_kept.known_ads(ad_ids)
    products = catalogue.find({ad.product_id for ad in ads.values()})
    for ad_id, ad in ads.items():
        product = products.get(ad.product_id)
        word = None if product is None else banned_word(ad.title, product, titles(product))
        if word is not None:
            raise SaysBanned(
                f"the title of {ad_id!r} says {word!r}, which is banned: allow the word first"
            )
    return judge(catalogue.engine, ad_ids, "approved", why=why, by=by)


def ban_by_words(catalogue: Catalogue, titles: Titles) -> int:
    """Ban ads of the pool that say a banned word; how many. A few hundred are read at a time."""
    banned = 0
    for ads in _pooled(catalogue.engine):
        products = catalogue.find({ad.product_id for ad in ads})
        saying: dict[str, list[str]] = {}
        for ad in ads:
            product = products.get(ad.product_id)
            word = None if product is None else banned_word(ad.title, product, titles(product))
            if word is not None:
                saying.setdefault(word, []).append(ad.ad_id)
        for word, ad_ids in saying.items():
            why = f"its title says {word!r}, which is banned"
            banned += len(judge(catalogue.engine, ad_ids, "banned", why=why, by=_BY))
    return banned


def _pooled(engine: Engine) -> Iterator[Sequence[_Ad]]:
    """The ads of the pool that may be shown."""
    columns = creatives.c.ad_id, creatives.c.product_id, creatives.c.title
    of_pool = select(*columns).join(pool, pool.c.ad_id == creatives.c.ad_id)
    query = of_pool.where(creatives.c.state == "approved").order_by(pool.c.ad_id)
    after = ""
    while True:
        some = query.where(pool.c.ad_id > after).limit(_ADS_AT_ONCE)
        with engine.connect() as connection:
            ads = [_Ad(*row) for row in connection.execute(some)]
        if not ads:
            return
        yield ads
        after = ads[-1].ad_id
