"""Ads as people look through them: the newest first, of some product, state or language."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, tuple_

from adloom.loop.catalogue.creatives.store import State
from adloom.loop.database.statements import parts
from adloom.loop.database.tables import creatives, products

_LOOKED_AT = 2_000
_COLUMNS = [
    creatives.c[name]
    for name in (
        *("ad_id", "product_id", "title", "picture", "variant", "version", "seed"),
        *("served_at", "state"),
    )
]


class BadPlace(ValueError):
    """No page goes on from there."""

    def __init__(self) -> None:
        super().__init__("must be what the page before gave as next")


@dataclass(frozen=True)
class Wanted:
    """Which ads: "" and None take all.

    ``language`` is a BCP 47 tag of the product's texts; ``de`` takes ``de-AT`` too.
    """

    product_id: str = ""
    state: State | None = None
    variant: str = ""
    version: str = ""
    language: str = ""


@dataclass(frozen=True)
class InGallery:
    """An ad as it hangs there; ``language`` is "" where its product is unknown."""

    ad_id: str
    product_id: str
    title: str
    picture: str
    variant: str
    version: str
    seed: int
    served_at: datetime
    state: State
    language: str


@dataclass(frozen=True)
class Page:
    """Some ads; ``next`` is where to go on, None at the end.

    There may be fewer ads than asked for, even none, and others follow all the same: a page looks
    at so many ads at most.
    """

    ads: tuple[InGallery, ...]
    next: str | None


def page(engine: Engine, wanted: Wanted, *, after: str = "", limit: int = 60) -> Page:
    """Ads, the newest first, from where a page before ended. Raises BadPlace."""
    query = select(*_COLUMNS)
    made = tuple_(creatives.c.served_at, creatives.c.ad_id)
    if wanted.product_id:
        query = query.where(creatives.c.product_id == wanted.product_id)
    if wanted.state is not None:
        query = query.where(creatives.c.state == wanted.state)
    if after:
        query = query.where(made < _place(after))
    newest = query.order_by(creatives.c.served_at.desc(), creatives.c.ad_id.desc())
    with engine.connect() as connection:
        rows = connection.execute(newest.limit(_LOOKED_AT)).all()
        few = [row for row in rows if _fits(row, wanted)]
        # Languages of all are asked for only where they choose.
        asked = few if wanted.language else few[:limit]
        languages = _languages(connection, {row.product_id for row in asked})
    chosen = [row for row in few if _speaks(languages.get(row.product_id, ""), wanted.language)]
    shown = chosen[:limit]
    last = shown[-1] if len(chosen) > limit else (rows[-1] if len(rows) == _LOOKED_AT else None)
    ads = tuple(InGallery(**row._mapping, language=_of(row, languages)) for row in shown)
    return Page(ads, None if last is None else f"{last.served_at.isoformat()} {last.ad_id}")


def of_ad(engine: Engine, ad_id: str) -> InGallery | None:
    """One ad; None where there is none of that id."""
    query = select(*_COLUMNS).where(creatives.c.ad_id == ad_id)
    with engine.connect() as connection:
        row = connection.execute(query).first()
        if row is None:
            return None
        return InGallery(
            **row._mapping, language=_of(row, _languages(connection, {row.product_id}))
        )


def _place(after: str) -> tuple[datetime, str]:
    moment, space, ad_id = after.partition(" ")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        raise BadPlace from None
    if not (space and ad_id) or at.tzinfo is None:
        raise BadPlace
    return at, ad_id


def _fits(row: Row[Any], wanted: Wanted) -> bool:
    return wanted.variant in ("", row.variant) and wanted.version in ("", row.version)


def _speaks(language: str, wanted: str) -> bool:
    tag, tags = wanted.lower(), language.lower()
    return not tag or tags == tag or tags.startswith(f"{tag}-")


def _of(row: Row[Any], languages: dict[str, str]) -> str:
    return languages.get(row.product_id, "")


def _languages(connection: Connection, product_ids: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    ids: Sequence[str] = sorted(product_ids)
    for some in parts(ids):
        query = select(products.c.product_id, products.c.language)
        rows = connection.execute(query.where(products.c.product_id.in_(some)))
        found.update({row.product_id: row.language for row in rows})
    return found
