"""Ads that nobody needs any more: old, of no click, neither shown nor pooled of late.

Which they are is found out on the disk, not in memory: old ads are written into a table of their
own, the event log is read once, and what it tells of is taken out of the table again.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine, select, tuple_

from adloom.feature_store.event_log import EventLog
from adloom.loop.catalogue.creatives.erasing import Erased, erase_ads, pictures_held
from adloom.loop.catalogue.creatives.store import SHOP
from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.database.review_tables import banned_pictures
from adloom.loop.database.tables import creatives, kept_exposures, pool

_ADS_AT_ONCE = 500

Told = Callable[[str], object]


@dataclass(frozen=True)
class Wanted:
    """Which ads may go; moments are aware.

    Attributes:
        made_before: younger ones stay.
        unused_since: one that was shown since then, or joined the pool, stays.
        keep: so many of the newest ads of each product stay.
        needed: ads that stay whatever else: those of rounds that are under way.
    """

    made_before: datetime
    unused_since: datetime
    keep: int
    needed: frozenset[str] = frozenset()


class UnusedAds:
    """Unused ads by id, in a file that is gone with this."""

    def __init__(self, found: sqlite3.Connection) -> None:
        self._found = found

    def __len__(self) -> int:
        [count] = self._found.execute("SELECT count(*) FROM ad").fetchone()
        return int(count)

    def __iter__(self) -> Iterator[list[str]]:
        """Some hundred at a time."""
        after = ""
        while True:
            query = "SELECT ad_id FROM ad WHERE ad_id > ? ORDER BY ad_id LIMIT ?"
            some = [ad_id for (ad_id,) in self._found.execute(query, (after, _ADS_AT_ONCE))]
            if not some:
                return
            yield some
            after = some[-1]

    def has_all(self, ad_ids: Collection[str]) -> bool:
        marks = ", ".join("?" * len(ad_ids))
        query = f"SELECT count(*) FROM ad WHERE ad_id IN ({marks})"
        [count] = self._found.execute(query, tuple(ad_ids)).fetchone()
        return int(count) == len(ad_ids)

    def add(self, ad_ids: Iterable[str]) -> None:
        self._found.executemany("INSERT OR IGNORE INTO ad VALUES (?)", ((one,) for one in ad_ids))

    def leave(self, ad_ids: Iterable[str]) -> None:
        self._found.executemany("DELETE FROM ad WHERE ad_id = ?", ((one,) for one in ad_ids))


@contextmanager
def unused_ads(
    engine: Engine, log: EventLog, wanted: Wanted, told: Told = lambda doing: None
) -> Iterator[UnusedAds]:
    """Ads that adloom drew and that may go. Raises LogUnavailable, LogDamaged.

    What was clicked stays, however long ago; so do ads that people banned, which keep others like
    them from being shown.
    """
    with (
        tempfile.TemporaryDirectory(prefix="adloom-gc-") as folder,
        closing(sqlite3.connect(Path(folder) / "ads.db", isolation_level=None)) as file,
    ):
        file.execute("PRAGMA synchronous = OFF")
        file.execute("CREATE TABLE ad (ad_id TEXT PRIMARY KEY) WITHOUT ROWID")
        file.execute("BEGIN")
        found = UnusedAds(file)
        told("Looking for old ads")
        for some in _old(engine, wanted):
            found.add(some)
        found.leave(wanted.needed)
        if len(found):
            told("Reading what was shown and clicked")
            for rows in log.columns(["kind", "ts", "ad_id"]):
                found.leave(_used(rows, wanted.unused_since))
        yield found


def pictures_of(engine: Engine, found: UnusedAds) -> int:
    """How many pictures would go with them: those that no product has, and no ad that stays."""
    many = 0
    for some in found:
        with engine.connect() as connection:
            held = pictures_held(connection, some)
        here = set(some)  # a picture of several ads counts with the first of them
        many += sum(min(ads) in here and found.has_all(ads) for ads in held.values())
    return many


def erase_unused(
    engine: Engine,
    pictures: PictureStore,
    found: UnusedAds,
    on_ads: Callable[[int], object] = lambda ads: None,
) -> Erased:
    """They go, with the pictures that nothing else shows. Raises PicturesAway.

    Killed on the way, the rest goes the next time.
    """
    ads = shown = 0
    for some in found:
        gone = erase_ads(engine, pictures, some)
        ads, shown = ads + gone.creatives, shown + gone.pictures
        on_ads(len(some))
    return Erased(ads, shown)


def _used(rows: pa.Table, since: datetime) -> list[str]:
    """The ads in some rows of the log that were clicked, or shown since then."""
    moment = pa.scalar(since, rows.schema.field("ts").type)
    clicked, late = pc.equal(rows["kind"], "click"), pc.greater_equal(rows["ts"], moment)
    used = rows.filter(pc.or_(clicked, late)).column("ad_id")
    ad_ids: list[str] = pc.unique(used.drop_null()).to_pylist()
    return ad_ids


def _old(engine: Engine, wanted: Wanted) -> Iterator[list[str]]:
    """Ads of before that are in nobody's way, product by product."""
    key = tuple_(creatives.c.product_id, creatives.c.ad_id)
    columns = creatives.c.product_id, creatives.c.ad_id, creatives.c.served_at
    banned, waits = banned_pictures.c, kept_exposures.c  # the latter may yet be shown
    pooled = (pool.c.ad_id == creatives.c.ad_id) & (pool.c.joined_at >= wanted.unused_since)
    query = (
        select(*columns)
        .where(creatives.c.variant != SHOP, creatives.c.served_at < wanted.made_before)
        .where(~select(pool.c.ad_id).where(pooled).exists())
        .where(~select(waits.ad_id).where(waits.ad_id == creatives.c.ad_id).exists())
        .where(~select(banned.ad_id).where(banned.ad_id == creatives.c.ad_id).exists())
        .order_by(creatives.c.product_id, creatives.c.ad_id)
        .limit(_ADS_AT_ONCE)
    )
    after, newest = ("", ""), _Newest(wanted.keep)
    while True:
        with engine.connect() as connection:
            rows = connection.execute(query.where(key > after)).all()
            ads = [
                row.ad_id
                for row in rows
                if newest.leaves(connection, row.product_id, row.served_at)
            ]
        if not rows:
            return
        yield ads
        after = (rows[-1].product_id, rows[-1].ad_id)


class _Newest:
    """Tells of one product after the other which ads are not among its newest."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._of: str | None = None
        self._oldest: datetime | None = None  # of those that stay; none = all do

    def leaves(self, connection: Connection, product_id: str, made_at: datetime) -> bool:
        if not self._keep:
            return True
        if product_id != self._of:
            self._of = product_id
            theirs = (creatives.c.product_id == product_id) & (creatives.c.variant != SHOP)
            newest = select(creatives.c.served_at).where(theirs)
            last = newest.order_by(creatives.c.served_at.desc()).offset(self._keep - 1).limit(1)
            self._oldest = connection.execute(last).scalar()
        return self._oldest is not None and made_at < self._oldest
