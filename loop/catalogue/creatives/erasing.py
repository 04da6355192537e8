"""Ads that are kept no more, with the pictures that nothing else shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, or_, select

from adloom.loop.catalogue.creatives.reviewing import next_revision
from adloom.loop.catalogue.creatives.store import SHOP
from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.database.review_tables import banned_pictures
from adloom.loop.database.statements import parts
from adloom.loop.database.tables import (
    creatives,
    looks,
    picture_codes,
    pool,
    products,
    reviews,
)

_ADS_AT_ONCE = 500


class Erased(NamedTuple):
    """How many went."""

    creatives: int
    pictures: int


def made_here(engine: Engine, ad_ids: Collection[str]) -> set[str]:
    """Those ads that adloom drew and still has; the shop's own are no user's."""
    found: set[str] = set()
    with engine.connect() as connection:
        for some in parts(sorted(ad_ids)):
            drawn = creatives.c.ad_id.in_(some) & (creatives.c.variant != SHOP)
            found.update(connection.execute(select(creatives.c.ad_id).where(drawn)).scalars())
    return found


def erase_ads(engine: Engine, pictures: PictureStore, ad_ids: Collection[str]) -> Erased:
    """Ads that adloom drew go; done again after a crash it goes on. Raises PicturesAway."""
    gone = shown = 0
    for some in parts(sorted(ad_ids)):
        with engine.connect() as connection:
            theirs = creatives.c.ad_id.in_(some) & (creatives.c.variant != SHOP)
            query = select(creatives.c.ad_id, creatives.c.picture).where(theirs)
            rows = connection.execute(query).all()
            ads, names = [row.ad_id for row in rows], {row.picture for row in rows}
            names -= _shown(connection, names, besides=ads)
        # Pictures first: without the ad nobody would find them again.
        erase_pictures(engine, pictures, sorted(names))
        with engine.begin() as connection:
            for few in parts(ads):
                for table in (pool, looks, reviews, banned_pictures, creatives):
                    connection.execute(delete(table).where(table.c.ad_id.in_(few)))
            if ads:
                next_revision(connection)
        gone, shown = gone + len(ads), shown + len(names)
    return Erased(gone, shown)


def pictures_held(connection: Connection, ad_ids: Collection[str]) -> dict[str, set[str]]:
    """Pictures of these ads that no product has: by name, all ads that have them."""
    held: dict[str, set[str]] = {}
    for some in parts(sorted(ad_ids)):
        theirs = select(creatives.c.picture).where(creatives.c.ad_id.in_(some))
        query = select(creatives.c.picture, creatives.c.ad_id)
        for row in connection.execute(query.where(creatives.c.picture.in_(theirs))):
            held.setdefault(row.picture, set()).add(row.ad_id)
    others = _of_products(connection, held)
    return {name: ads for name, ads in held.items() if name not in others}


def made_before(engine: Engine, moment: datetime) -> Iterator[list[str]]:
    """Ads that adloom drew before a moment, some hundred at a time; erase each part at once."""
    old = (creatives.c.served_at < moment) & (creatives.c.variant != SHOP)
    query = select(creatives.c.ad_id).where(old).order_by(creatives.c.ad_id).limit(_ADS_AT_ONCE)
    after = ""
    while True:
        with engine.connect() as connection:
            found = list(connection.execute(query.where(creatives.c.ad_id > after)).scalars())
        if not found:
            return
        yield found
        after = found[-1]


def unnamed_pictures(
    engine: Engine,
    pictures: PictureStore,
    before: datetime,
    looked_at: Callable[[int], object] = lambda pictures: None,
) -> Iterator[list[str]]:
    """Pictures that were put before a moment and that no ad or product of the database has.

    A process that was killed left them, or a shop that changed its own. Raises PicturesAway.
    """
    for names in pictures.older(before):
        looked_at(len(names))
        with engine.connect() as connection:
            left = set(names) - _shown(connection, names)
        if left:
            yield sorted(left)


def erase_pictures(engine: Engine, pictures: PictureStore, names: Collection[str]) -> None:
    """They go, with the codes that were made of them. Raises PicturesAway."""
    for name in names:
        pictures.remove(name)
    with engine.begin() as connection:
        for some in parts(sorted(names)):
            codes = picture_codes.c.picture_name.in_(some)
            connection.execute(delete(picture_codes).where(codes))


def _shown(
    connection: Connection, names: Collection[str], besides: Collection[str] = ()
) -> set[str]:
    """Those pictures that a product has, or an ad besides some."""
    shown: set[str] = set()
    for some in parts(sorted(names)):
        others = creatives.c.picture.in_(some) & creatives.c.ad_id.not_in(list(besides))
        shown.update(connection.execute(select(creatives.c.picture).where(others)).scalars())
    return shown | _of_products(connection, names)


def _of_products(connection: Connection, names: Collection[str]) -> set[str]:
    shown: set[str] = set()
    columns = products.c.picture_name, products.c.cutout_name
    for some in parts(sorted(names)):
        of_products = or_(*(column.in_(some) for column in columns))
        for row in connection.execute(select(*columns).where(of_products)):
            shown.update(row)
    return shown
