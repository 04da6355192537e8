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
from sqlalchemy import ColumnElement, Engine, Row, Select, and_, delete, func, null, select

from adloom.loop.catalogue.creatives.reviewing import revision
from adloom.loop.catalogue.creatives.store import SHOP
from adloom.loop.catalogue.product import Product
from adloom.loop.database.statements import insert_new, parts
from adloom.loop.database.tables import creatives, pool
from adloom.loop.pool.looks import Looks
from adloom.loop.pool.members import Member, Members
from adloom.loop.pool.own_clicks import Counted, own_clicks
from adloom.loop.pool.taste import LIKENESS

_FRESH_SECONDS = 2.0  # then what other servers drew is seen
_PRODUCTS = 500  # whose ads are kept in memory: up to 300 KB each
_DTYPE = "<f4"
_SHOWN = creatives.c.state == "approved"
_Query = Select[Any]
_Key = tuple[str, str, str | None]  # product, what its ads are made of, what draws


@dataclass(frozen=True)
class _Kept:
    members: Members
    waiting: int
    revision: int
    read_at: float


class CreativePool:
    """Approved ads by product and by what drew them. For several threads and processes at once.

    What is judged or erased anywhere is seen by the next `look`, what others add a little later.
    An ad is out of it once its product has another picture or name, or may say other things.
    """

    def __init__(self, engine: Engine, looks: Looks, most: int) -> None:
        """``most`` ads of a product and of what drew them are kept, beside those that wait."""
        self._engine = engine
        self._looks = looks
        self._most = most
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._seen = 0

    def look(self) -> int:
        """See what was judged or erased since, anywhere: a number that grows with it."""
        self._seen = seen = revision(self._engine)
        return seen

    def members(self, product: Product, drawn_by: str | None) -> Members:
        """Ads of a product as of the last `look`, the newest first.

        ``drawn_by`` "shop" means the shop's own, None what anything drew.
        """
        return self._of(product, drawn_by).members

    def waiting(self, product: Product, drawn_by: str) -> int:
        """How many of a product's ads join as soon as a person approves them, as of then."""
        return self._of(product, drawn_by).waiting

    def join(
        self,
        ad_id: str,
        product: Product,
        drawn_by: str,
        likeness: NDArray[np.float32],
        counts: Mapping[str, Counted],
    ) -> None:
        """Let an ad be shown to others, now or once it is approved.

        Where too many are shown, those leave that do worst. ``product`` is what it was made of.
        """
        row = {
            "ad_id": ad_id,
            "product_id": product.product_id,
            "drawn_by": drawn_by,
            "joined_at": datetime.now(UTC),
            "likeness": likeness.astype(_DTYPE).tobytes(),
            "made_of": product.made_of,
        }
        ours = (pool.c.product_id == product.product_id) & (pool.c.drawn_by == drawn_by)
        with self._engine.begin() as connection:
            connection.execute(insert_new(pool, self._engine), [row])
            query = _in_pool(pool.c.ad_id).where(ours, _SHOWN).order_by(pool.c.joined_at)
            there = list(connection.execute(query).scalars())
            for some in parts(_worst(there, counts, len(there) - self._most)):
                connection.execute(delete(pool).where(pool.c.ad_id.in_(some)))
        with self._lock:
            self._kept.pop((product.product_id, product.made_of, drawn_by), None)
            self._kept.pop((product.product_id, product.made_of, None), None)

    def _of(self, product: Product, drawn_by: str | None) -> _Kept:
        now, seen = time.monotonic(), self._seen
        key = product.product_id, product.made_of, drawn_by
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                if kept.revision == seen and now - kept.read_at < _FRESH_SECONDS:
                    return kept
        with self._engine.connect() as connection:
            rows = connection.execute(_query(product, drawn_by, self._most)).all()
            waiting = connection.execute(_waiting(product, drawn_by)).scalar_one()
        kept = _Kept(self._members(rows), waiting, seen, now)
        with self._lock:
            self._kept[key] = kept
            while len(self._kept) > _PRODUCTS:
                self._kept.popitem(last=False)
        return kept

    def _members(self, rows: Sequence[Row[Any]]) -> Members:
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


def _query(product: Product, drawn_by: str | None, most: int) -> _Query:
    if drawn_by == SHOP:
        of_shop = creatives.c.ad_id, creatives.c.variant.label("drawn_by"), creatives.c.served_at
        theirs = (creatives.c.product_id == product.product_id) & (creatives.c.variant == SHOP)
        query = select(*of_shop, null().label("likeness")).where(theirs, _SHOWN)
        return query.order_by(creatives.c.served_at.desc()).limit(most)
    columns = pool.c.ad_id, pool.c.drawn_by, creatives.c.served_at, pool.c.likeness
    found = _in_pool(*columns).where(_made_of(product), _SHOWN)
    if drawn_by is not None:
        found = found.where(pool.c.drawn_by == drawn_by)
    return found.order_by(pool.c.joined_at.desc()).limit(most)


def _waiting(product: Product, drawn_by: str | None) -> _Query:
    ours = _made_of(product) & (pool.c.drawn_by == drawn_by)
    return _in_pool(func.count()).where(ours, creatives.c.state == "draft")


def _in_pool(*columns: Any) -> _Query:
    joined = pool.join(creatives, creatives.c.ad_id == pool.c.ad_id)
    return select(*columns).select_from(joined)


def _made_of(product: Product) -> ColumnElement[bool]:
    """Ads of the product as it is now, and those of which an earlier release kept too little."""
    as_it_is = pool.c.made_of.in_((product.made_of, ""))
    return and_(pool.c.product_id == product.product_id, as_it_is)


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
