"""The creative store: every ad that was ever made, with the picture tokens that made it.

Rows live in the database, pictures among those of products, named by the SHA-256 of their bytes:
the same picture is stored once and can be cached for ever by whoever asks for it.
Clicks name an ad id; through this store the ad id leads back to the title and the VQ codes that
the generator needs, both as a shopper's history and as a training target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from PIL import Image
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    bindparam,
    func,
    select,
    tuple_,
)

from adloom.loop.catalogue.pictures.store import PictureStore, UnknownPicture
from adloom.loop.database.health import problem
from adloom.loop.database.statements import insert_new, parts
from adloom.loop.database.tables import creative_numbers, creatives, products

NO_CODES: np.ndarray = np.empty(0, dtype="<i2")
State = Literal["draft", "approved", "banned"]
"""Only what is approved is shown; what is banned is neither read in histories nor learnt from."""
SHOP = "shop"
"""The variant of ads that adloom did not make."""
_READ = tuple(column for column in creatives.columns if column.name != "number")


class Kind(TypedDict, total=False):
    """Ads of one kind alone; "" and None take all. ``de`` takes ``de-AT`` too."""

    product_id: str
    state: State | None
    variant: str
    version: str
    language: str


class UnknownAd(KeyError):
    """The creative store holds no ad (or no picture) of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"no ad {self.name!r} in the creative store"


@dataclass(frozen=True)
class Creative:
    """One ad as it was made.

    Attributes:
        ad_id: its name in events.
        product_id: the product it advertises.
        title: the text shown.
        picture: name of the picture shown in the picture store.
        codes: the VQ codes of the finished picture, int16, shape (T,): what a generator that
            pools history pictures sees of this ad in a shopper's history; `NO_CODES` of an ad that
            was drawn, since few are ever clicked: a history that reads it makes them.
        background_codes: the VQ codes of the picture without its product, int16, shape (T,): what
            the generator learns to draw from this ad.
        variant: the arm that made it, such as "champion"; "shop" for the shop's own pictures.
        version: the registered model version that made it; "" where none did.
        seed: the seed it was sampled with.
        served_at: when it was made, aware, UTC.
        background: for the shop's own, the hash of the picture that ``background_codes`` were made
            of; "" where the shop has none but ``picture``.
        stamp: for the shop's own, what the picture's file looked like; "" for others.
        codebook: names the codebook that both codes are of, and the size of the picture
            (`adloom.models.picture_encoder.PictureEncoder.codebook_name`); None where nobody noted
            it. Another codebook's codes mean other pictures.
        state: whether it may be shown.
    """

    ad_id: str
    product_id: str
    title: str
    picture: str
    codes: np.ndarray
    background_codes: np.ndarray
    variant: str
    version: str
    seed: int
    served_at: datetime
    background: str = ""
    stamp: str = ""
    codebook: str | None = None
    state: State = "approved"


@dataclass(frozen=True)
class KnownAd:
    """What tells whether an ad is the one that is stored: see :class:`Creative`."""

    ad_id: str
    product_id: str
    title: str
    picture: str
    variant: str
    background: str
    stamp: str
    codebook: str | None = None


@dataclass(frozen=True)
class ShopTitle:
    """A title of the shop's own ads; ``number`` counts them in the order they came in."""

    number: int
    product_id: str
    title: str


class CreativeStore:
    """Creatives by ad id, pictures by content hash. For several threads and processes at once."""

    def __init__(self, engine: Engine, pictures: PictureStore) -> None:
        self.pictures = pictures
        self.engine = engine

    def close(self) -> None:
        """Let the connections go."""
        self.engine.dispose()

    def problem(self) -> str | None:
        """Why its database cannot be used, in one line; None where it can."""
        return problem(self.engine, self._probe)

    def put_picture(self, picture: Image.Image, *, lossless: bool = False) -> str:
        """Stores a picture once and returns its SHA-256 (hex); a damaged file is written anew."""
        return self.pictures.put(picture, lossless=lossless)

    def add(self, made: Iterable[Creative]) -> None:
        """Stores creatives; one with a known ad id is left as it was (ads never change)."""
        rows = [_to_row(creative) for creative in made]
        if not rows:
            return
        shop = [row for row in rows if row["variant"] == SHOP]
        with self.engine.begin() as connection:
            for row, number in zip(shop, _next_numbers(connection, len(shop)), strict=True):
                row["number"] = number
            # In one order by whoever writes: none waits for what waits for it.
            rows.sort(key=lambda row: row["ad_id"])
            connection.execute(insert_new(creatives, self.engine), rows)

    def add_one(self, creative: Creative, beside: Callable[[Connection], object] | None) -> bool:
        """Stores an ad that adloom drew, with what ``beside`` writes in the same transaction.

        False where its id is known: then neither is written.
        """
        with self.engine.begin() as connection:
            insert = insert_new(creatives, self.engine).values(_to_row(creative))
            counted = connection.execute(insert.execution_options(preserve_rowcount=True))
            new = counted.rowcount == 1
            if new and beside is not None:
                beside(connection)
        return new

    def stamp(self, stamps: Mapping[str, str]) -> None:
        """Note what the files of known ads look like now, by ad id."""
        chosen = creatives.update().where(creatives.c.ad_id == bindparam("ad"))
        rows = [{"ad": ad_id, "now": stamps[ad_id]} for ad_id in sorted(stamps)]
        if rows:
            with self.engine.begin() as connection:
                connection.execute(chosen.values(stamp=bindparam("now")), rows)

    def note_codebook(self, ad_ids: Sequence[str], codebook: str) -> None:
        """Note of which codebook the codes of ads are, where nobody has."""
        unknown = creatives.c.codebook.is_(None)
        with self.engine.begin() as connection:
            for some in parts(sorted(ad_ids)):
                of_these = creatives.update().where(creatives.c.ad_id.in_(some), unknown)
                connection.execute(of_these.values(codebook=codebook))

    def get(self, ad_id: str) -> Creative:
        """Raises UnknownAd when no such ad was stored."""
        found = self.get_many([ad_id])
        if ad_id not in found:
            raise UnknownAd(ad_id)
        return found[ad_id]

    def get_many(self, ad_ids: Sequence[str]) -> dict[str, Creative]:
        """The creatives among `ad_ids` that exist, by ad id."""
        return {row.ad_id: _from_row(row) for row in self._rows(_READ, ad_ids)}

    def known(self, ad_ids: Sequence[str]) -> set[str]:
        """Those of `ad_ids` that were stored."""
        return {row.ad_id for row in self._rows([creatives.c.ad_id], ad_ids)}

    def known_ads(self, ad_ids: Sequence[str]) -> dict[str, KnownAd]:
        """Those of `ad_ids` that were stored, by ad id, without their codes."""
        columns = [creatives.c[each.name] for each in fields(KnownAd)]
        return {row.ad_id: KnownAd(**row._mapping) for row in self._rows(columns, ad_ids)}

    def page(
        self,
        *,
        after: str = "",
        limit: int = 100,
        newest: bool = False,
        **kind: Unpack[Kind],
    ) -> list[Creative]:
        """Creatives that follow the ad ``after``: by their ad ids, or the newest first.

        Raises UnknownAd where the newest come first and there is no such ad.
        """
        query = select(*_READ).where(*_of_kind(kind))
        if not newest:
            query = query.where(creatives.c.ad_id > after).order_by(creatives.c.ad_id)
        else:
            made = tuple_(creatives.c.served_at, creatives.c.ad_id)
            if after:
                query = query.where(made < (self.get(after).served_at, after))
            query = query.order_by(creatives.c.served_at.desc(), creatives.c.ad_id.desc())
        with self.engine.connect() as connection:
            return [_from_row(row) for row in connection.execute(query.limit(limit))]

    def count(self, **kind: Unpack[Kind]) -> int:
        """How many there are."""
        query = select(func.count()).select_from(creatives).where(*_of_kind(kind))
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def shop_titles(self, *, after: int, limit: int) -> list[ShopTitle]:
        """Titles of the shop's own ads in the order they came in, those that follow a number."""
        columns = creatives.c.number, creatives.c.product_id, creatives.c.title
        query = select(*columns).where(creatives.c.number > after).order_by(creatives.c.number)
        with self.engine.connect() as connection:
            return [ShopTitle(*row) for row in connection.execute(query.limit(limit))]

    def _rows(self, columns: Sequence[Any], ad_ids: Sequence[str]) -> Iterator[Row[Any]]:
        """Columns of the ads among `ad_ids` that exist."""
        with self.engine.connect() as connection:
            for some in parts(list(dict.fromkeys(ad_ids))):
                query = select(*columns).where(creatives.c.ad_id.in_(some))
                yield from connection.execute(query).all()

    def _probe(self) -> None:
        with self.engine.connect() as connection:
            connection.execute(select(creatives.c.ad_id).limit(1)).first()

    def picture(self, digest: str) -> Image.Image:
        """The picture of a content hash, RGB. Raises UnknownAd, PicturesAway."""
        try:
            return self.pictures.decoded(digest).convert("RGB")
        except UnknownPicture as error:
            raise UnknownAd(digest) from error

    def __len__(self) -> int:
        return self.count()


def _of_kind(kind: Kind) -> Iterator[ColumnElement[bool]]:
    for name, value in kind.items():
        if value and name != "language":
            yield creatives.c[name] == value
    if language := kind.get("language", "").lower():
        tag = func.lower(products.c.language)
        speaks = (tag == language) | tag.startswith(f"{language}-")
        yield creatives.c.product_id.in_(select(products.c.product_id).where(speaks))


def _next_numbers(connection: Connection, many: int) -> Iterator[int]:
    """Numbers of so many ads of the shop's own: who takes some next waits for these to be kept."""
    if many == 0:
        return iter(())
    taken = creative_numbers.update().values(last=creative_numbers.c.last + many)
    connection.execute(taken)
    last = connection.execute(select(creative_numbers.c.last)).scalar_one()
    return iter(range(last - many + 1, last + 1))


def _to_row(creative: Creative) -> dict[str, Any]:
    row = {each.name: getattr(creative, each.name) for each in fields(creative)}
    for name in ("codes", "background_codes"):
        row[name] = np.ascontiguousarray(row[name], dtype="<i2").tobytes()
    return row | {"number": None}


def _from_row(row: Row[Any]) -> Creative:
    """The creative of a row of `_READ`."""
    read = dict(row._mapping)
    for name in ("codes", "background_codes"):
        read[name] = np.frombuffer(read[name], dtype="<i2")
    return Creative(**read)
