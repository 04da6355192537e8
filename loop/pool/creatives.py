"""The finished ads of a product, as they lie in the database, with what is needed to choose."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, Select, delete, null, select

from adloom.loop.catalogue.creatives.reviewing import revision
from adloom.loop.catalogue.creatives.store import SHOP
from adloom.loop.database.statements import insert_new, parts
from adloom.loop.database.tables import creatives, pool
from adloom.loop.pool.looks import Looks
from adloom.loop.pool.members import Member, Members
from adloom.loop.pool.own_clicks import Counted, own_clicks
from adloom.loop.pool.taste import LIKENESS

_FRESH_SECONDS = 2.0  # then what other servers drew is seen
_PRODUCTS = 500  # whose ads are kept in memory: up to 300 KB each
_DTYPE = "<f4"
_Query = Select[Any]


@dataclass(frozen=True)
class _Kept:
    members: Members
    revision: int
    read_at: float


class CreativePool:
    """Approved ads by product and by what drew them. For several threads and processes at once.

    What is judged or erased anywhere is seen by the next `look`, what others add a little later.
    """

    def __init__(self, engine: Engine, looks: Looks, most: int) -> None:
        """``most`` ads of a product and of what drew them are kept."""
        self._engine = engine
        self._looks = looks
        self._most = most
        self._kept: OrderedDict[tuple[str, str | None], _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._seen = 0

    def look(self) -> int:
        """See what was judged or erased since, anywhere: a number that grows with it."""
        self._seen = seen = revision(self._engine)
        return seen

    def members(self, product_id: str, drawn_by: str | None) -> Members:
        """Ads of a product as of the last `look`, the newest first.

        ``drawn_by`` "shop" means the shop's own, None what anything drew.
        """
        now, seen = time.monotonic(), self._seen
        key = product_id, drawn_by
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                if kept.revision == seen and now - kept.read_at < _FRESH_SECONDS:
                    return kept.members
        members = self._read(_query(product_id, drawn_by, self._most))
        with self._lock:
            self._kept[key] = _Kept(members, seen, now)
            while len(self._kept) > _PRODUCTS:
                self._kept.popitem(last=False)
        return members

    def join(
        self,
        ad_id: str,
        product_id: str,
        drawn_by: str,
        likeness: NDArray[np.float32],
        counts: Mapping[str, Counted],
    ) -> None:
        """Let an ad be shown to others; where there are too many, those leave that do worst."""
        row = {
            "ad_id": ad_id,
            "product_id": product_id,
            "drawn_by": drawn_by,
            "joined_at": datetime.now(UTC),
            "likeness": likeness.astype(_DTYPE).tobytes(),
        }
        ours = (pool.c.product_id == product_id) & (pool.c.drawn_by == drawn_by)
        with self._engine.begin() as connection:
            connection.execute(insert_new(pool, self._engine), [row])
            query = select(pool.c.ad_id).where(ours).order_by(pool.c.joined_at)
            there = list(connection.execute(query).scalars())
            for some in parts(_worst(there, counts, len(there) - self._most)):
                connection.execute(delete(pool).where(pool.c.ad_id.in_(some)))
        with self._lock:
            self._kept.pop((product_id, drawn_by), None)
            self._kept.pop((product_id, None), None)

    def _read(self, query: _Query) -> Members:
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        looks = self._looks.of([row.ad_id for row in rows])
        return Members(
            [
                Member(
                    row.ad_id,
                    looks.get(row.ad_id),
                    row.served_at,
                    row.drawn_by,
                    _likeness(row.likeness),
                )
                for row in rows
            ]
        )


def _query(product_id: str, drawn_by: str | None, most: int) -> _Query:
    shown = creatives.c.state == "approved"
    if drawn_by == SHOP:
        columns = creatives.c.ad_id, creatives.c.variant.label("drawn_by"), creatives.c.served_at
        theirs = (creatives.c.product_id == product_id) & (creatives.c.variant == SHOP) & shown
        query = select(*columns, null().label("likeness")).where(theirs)
        return query.order_by(creatives.c.served_at.desc()).limit(most)
    of = select(pool.c.ad_id, pool.c.drawn_by, creatives.c.served_at, pool.c.likeness)
    found = of.join(creatives, creatives.c.ad_id == pool.c.ad_id)
    query = found.where(pool.c.product_id == product_id, shown)
    if drawn_by is not None:
        query = query.where(pool.c.drawn_by == drawn_by)
    return query.order_by(pool.c.joined_at.desc()).limit(most)


def _worst(there: Sequence[str], counts: Mapping[str, Counted], many: int) -> list[str]:
    """So many of the ads, given by age, the oldest first: lowest own rates, of these the oldest."""
    if many <= 0:
        return []
    rates = own_clicks([counts.get(ad_id, Counted()) for ad_id in there]).odds
    order = sorted(range(len(there)), key=lambda n: (rates[n], n))
    return [there[n] for n in order[:many]]


def _likeness(content: bytes | None) -> NDArray[np.float32]:
    """None, or what an earlier release kept, says nothing."""
    found = np.frombuffer(content or b"", _DTYPE)
    return found.astype(np.float32) if len(found) == LIKENESS else np.zeros(LIKENESS, np.float32)
