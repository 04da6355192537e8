"""The creative store: every ad that was ever made, with the picture tokens that made it.

Rows live in one SQLite file, pictures beside it as PNG files named by the SHA-256 of their
bytes, so the same picture is stored once and can be cached for ever by whoever asks for it.
Clicks name an ad id; through this store the ad id leads back to the title and the VQ codes that
the generator needs, both as a shopper's history and as a training target.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adloom.loop.catalogue.creatives.database import CreativesDatabase
from adloom.loop.catalogue.hashed_files import HashedFiles

SHOP = "shop"
"""The variant of ads that adloom did not make."""
_COLUMNS = (
    "ad_id, product_id, title, picture, codes, background_codes, variant, version, seed, "
    "served_at, background, stamp"
)
_KNOWN = "ad_id, product_id, title, picture, variant, background, stamp"
_MARKS = ",".join("?" * 13)
_SQLITE_MAX_VARIABLES = 500  # well under SQLite's limit on "?" in one statement


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
        picture: SHA-256 (hex) of the PNG shown; `CreativeStore.picture_path` finds the file.
        codes: the VQ codes of the finished picture, int16, shape (T,): what a generator that
            pools history pictures sees of this ad in a shopper's history.
        background_codes: the VQ codes of the picture without its product, int16, shape (T,): what
            the generator learns to draw from this ad.
        variant: the arm that made it, such as "champion"; "shop" for the shop's own pictures.
        version: the registered model version that made it; "" where none did.
        seed: the seed it was sampled with.
        served_at: when it was made, aware, UTC.
        background: for the shop's own, the hash of the picture that ``background_codes`` were made
            of; "" where the shop has none but ``picture``.
        stamp: for the shop's own, what the picture's file looked like; "" for others.
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


@dataclass(frozen=True)
class ShopTitle:
    """A title of the shop's own ads; ``number`` counts them in the order they came in."""

    number: int
    product_id: str
    title: str


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as PNG. Level 6 costs little and 512 px stays under about 400 KB."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


class CreativeStore:
    """Creatives by ad id, pictures by content hash. For several threads and processes at once."""

    def __init__(self, folder: Path) -> None:
        self._pictures = HashedFiles(folder / "png", ".png")
        self._db = CreativesDatabase(folder / "creatives.db")

    def close(self) -> None:
        self._db.close()

    def problem(self) -> str | None:
        """Why its database cannot be used, in one line; None where it can."""
        return self._db.problem()

    def put_picture(self, picture: Image.Image) -> str:
        """Stores a picture once and returns its SHA-256 (hex); a damaged file is written anew."""
        return self._pictures.put(png_bytes(picture))

    def add(self, creatives: Iterable[Creative]) -> None:
        """Stores creatives; one with a known ad id is left as it was (ads never change)."""
        rows = [_to_row(creative) for creative in creatives]
        with self._db.writing() as db:
            last = db.execute("SELECT max(number) FROM creative").fetchone()[0] or 0
            shop = count(last + 1)
            db.executemany(
                f"INSERT OR IGNORE INTO creative ({_COLUMNS}, number) VALUES ({_MARKS})",
                [(*row, next(shop) if row[6] == SHOP else None) for row in rows],
            )

    def stamp(self, stamps: Mapping[str, str]) -> None:
        """Note what the files of known ads look like now, by ad id."""
        with self._db.writing() as db:
            db.executemany(
                "UPDATE creative SET stamp = ? WHERE ad_id = ?",
                [(stamp, ad_id) for ad_id, stamp in stamps.items()],
            )

    def get(self, ad_id: str) -> Creative:
        """Raises UnknownAd when no such ad was stored."""
        found = self.get_many([ad_id])
        if ad_id not in found:
            raise UnknownAd(ad_id)
        return found[ad_id]

    def get_many(self, ad_ids: Sequence[str]) -> dict[str, Creative]:
        """The creatives among `ad_ids` that exist, by ad id."""
        return {row[0]: _from_row(row) for row in self._rows(_COLUMNS, ad_ids)}

    def known(self, ad_ids: Sequence[str]) -> set[str]:
        """Those of `ad_ids` that were stored."""
        return {row[0] for row in self._rows("ad_id", ad_ids)}

    def known_ads(self, ad_ids: Sequence[str]) -> dict[str, KnownAd]:
        """Those of `ad_ids` that were stored, by ad id, without their codes."""
        return {row[0]: KnownAd(*row) for row in self._rows(_KNOWN, ad_ids)}

    def page(self, *, after: str = "", limit: int = 100, product_id: str = "") -> list[Creative]:
        """Creatives in the order of their ad ids, those that follow ``after``.

        ``product_id`` takes those of one product alone.
        """
        wanted, values = "ad_id > ?", [after]
        if product_id:
            wanted, values = f"{wanted} AND product_id = ?", [*values, product_id]
        query = f"SELECT {_COLUMNS} FROM creative WHERE {wanted} ORDER BY ad_id LIMIT ?"
        with self._db.asked() as db:
            rows = db.execute(query, (*values, limit)).fetchall()
        return [_from_row(row) for row in rows]

    def shop_titles(self, *, after: int, limit: int) -> list[ShopTitle]:
        """Titles of the shop's own ads in the order they came in, those that follow a number."""
        query = (
            "SELECT number, product_id, title FROM creative WHERE number > ? "
            "ORDER BY number LIMIT ?"
        )
        with self._db.asked() as db:
            rows = db.execute(query, (after, limit)).fetchall()
        return [ShopTitle(*row) for row in rows]

    def _rows(self, columns: str, ad_ids: Sequence[str]) -> Iterator[Any]:
        """Columns of the ads among `ad_ids` that exist."""
        wanted = list(dict.fromkeys(ad_ids))
        for start in range(0, len(wanted), _SQLITE_MAX_VARIABLES):
            part = wanted[start : start + _SQLITE_MAX_VARIABLES]
            marks = ",".join("?" * len(part))
            with self._db.asked() as db:
                rows = db.execute(
                    f"SELECT {columns} FROM creative WHERE ad_id IN ({marks})", part
                ).fetchall()
            yield from rows

    def picture_path(self, digest: str) -> Path:
        """The PNG file of a content hash. Raises UnknownAd for what is not stored whole."""
        path = self._pictures.find(digest)
        if path is None:
            raise UnknownAd(digest)
        return path

    def picture(self, digest: str) -> Image.Image:
        """The picture of a content hash, RGB. Raises UnknownAd."""
        with Image.open(self.picture_path(digest)) as opened:
            return opened.convert("RGB")

    def __len__(self) -> int:
        with self._db.asked() as db:
            return int(db.execute("SELECT count(*) FROM creative").fetchone()[0])


def _to_row(creative: Creative) -> tuple[object, ...]:
    return (
        creative.ad_id,
        creative.product_id,
        creative.title,
        creative.picture,
        np.ascontiguousarray(creative.codes, dtype="<i2").tobytes(),
        np.ascontiguousarray(creative.background_codes, dtype="<i2").tobytes(),
        creative.variant,
        creative.version,
        creative.seed,
        creative.served_at.astimezone(UTC).isoformat(),
        creative.background,
        creative.stamp,
    )


def _from_row(row: Sequence[Any]) -> Creative:
    """The creative of a row of `_COLUMNS`."""
    ad_id, product_id, title, picture, codes, background_codes, *made = row
    variant, version, seed, served_at, background, stamp = made
    return Creative(
        ad_id=ad_id,
        product_id=product_id,
        title=title,
        picture=picture,
        codes=np.frombuffer(codes, dtype="<i2"),
        background_codes=np.frombuffer(background_codes, dtype="<i2"),
        variant=variant,
        version=version,
        seed=seed,
        served_at=datetime.fromisoformat(served_at),
        background=background,
        stamp=stamp,
    )
