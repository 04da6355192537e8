"""Titles of finished ads against the words that are banned now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Column, Engine, Select, select

from adloom.loop.catalogue.creatives.reviewing import judge
from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.database.tables import creative_numbers, creatives, pool
from adloom.models.titles.fit import name_in
from adloom.models.titles.rules import TitleRules

_ADS_AT_ONCE = 500
_BY = "word list"
_SHOWN = creatives.c.ad_id, creatives.c.product_id, creatives.c.title

Titles = Callable[[Product], TitleRules]


class _Ad(NamedTuple):
    ad_id: str
    product_id: str
    title: str


class SaysBanned(ValueError):
    """The title of an ad says a banned word; the message says what to do."""


def banned_word(title: str, product: Product, rules: TitleRules) -> str | None:
    """The first banned word that a title says; what it calls its product is a name.

    As :meth:`TitleRules.objection` has it, which is told the name.
    """
    name = name_in(title, [product.name, product.short_name])
    return rules.banned_beside(title, [name])


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
    """Ban ads of the pool, and the shop's own, that say a banned word; how many.

    A few hundred are read at a time.
    """
    engine = catalogue.engine
    return _ban(catalogue, titles, chain(_pooled(engine), _of_shop(engine)))


def ban_new_by_words(catalogue: Catalogue, titles: Titles, after: int) -> int:
    """Ban the shop's own ads that came after one (`newest_of_shop`) and say a banned word."""
    return _ban(catalogue, titles, _of_shop(catalogue.engine, after))


def newest_of_shop(engine: Engine) -> int:
    """The number of the last of the shop's own ads."""
    with engine.connect() as connection:
        return int(connection.execute(select(creative_numbers.c.last)).scalar_one())


def _ban(catalogue: Catalogue, titles: Titles, found: Iterable[Sequence[_Ad]]) -> int:
    banned = 0
    for ads in found:
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
    of_pool = select(pool.c.ad_id, *_SHOWN).join(creatives, pool.c.ad_id == creatives.c.ad_id)
    return _in_parts(engine, of_pool, pool.c.ad_id, "")


def _of_shop(engine: Engine, after: int = -1) -> Iterator[Sequence[_Ad]]:
    """The shop's own ads that may be shown: they alone are numbered."""
    return _in_parts(engine, select(creatives.c.number, *_SHOWN), creatives.c.number, after)


def _in_parts(
    engine: Engine, query: Select[Any], key: Column[Any], after: Any
) -> Iterator[Sequence[_Ad]]:
    """Ads that may be shown, in the order of ``key``, the first column, from ``after`` on."""
    shown = query.where(creatives.c.state == "approved").order_by(key).limit(_ADS_AT_ONCE)
    while True:
        with engine.connect() as connection:
            rows = connection.execute(shown.where(key > after)).all()
        if not rows:
            return
        yield [_Ad(*row[1:]) for row in rows]
        after = rows[-1][0]
