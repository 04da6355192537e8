"""What ads are like: a vector of the picture and one of the title, made once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from adloom.loop.catalogue.histories.reading import manner_of
from adloom.loop.catalogue.product import Product
from adloom.loop.database.statements import insert_new, parts
from adloom.loop.database.tables import looks
from adloom.models.brief import Codes
from adloom.models.looks import look_vectors, unit
from adloom.models.manners import Manners
from adloom.models.text_encoder import TextEncoder

_DTYPE = "<f2"
_KEPT = 20_000  # in memory: about 1 KB each


@dataclass(frozen=True)
class Look:
    """Vectors of an ad, float32, of unit length: of its picture, and of its title's manner."""

    picture: NDArray[np.float32]
    title: NDArray[np.float32]


@dataclass(frozen=True)
class LookArrays:
    """Looks of m ads, as `Look` has them: float32, shape (m, width) each."""

    pictures: NDArray[np.float32]
    titles: NDArray[np.float32]

    @classmethod
    def of(cls, looks: Sequence[Look]) -> LookArrays:
        """In their order."""
        if not looks:
            nothing = np.zeros((0, 0), np.float32)
            return cls(nothing, nothing)
        return cls(
            np.stack([look.picture for look in looks]), np.stack([look.title for look in looks])
        )

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class SeenAd:
    """An ad as shoppers see it.

    Attributes:
        codes: of its picture, int16, shape (tokens,).
        product: what it sells; None where nobody knows it any more.
    """

    ad_id: str
    codes: Codes
    title: str
    product: Product | None


class Encoders:
    """Makes looks, see :mod:`adloom.models.looks`."""

    def __init__(
        self, codebook: str, code_vectors: NDArray[np.float32], texts: TextEncoder
    ) -> None:
        """``codebook`` names what codes are of, ``code_vectors`` ``(codes, d)`` are what it has."""
        self.name = f"{codebook} {texts.name} manners"
        """Names what makes both vectors; those of another are none of these."""
        self._code_vectors = code_vectors
        self._manners = Manners(texts.embed)

    def looks(self, ads: Sequence[SeenAd]) -> list[Look]:
        """One an ad. Raises NoTextEncoder."""
        pictures = look_vectors(self._code_vectors, np.stack([ad.codes for ad in ads]))
        titles = unit(self._manners.vectors([manner_of(ad.title, ad.product) for ad in ads]))
        return [Look(*vectors) for vectors in zip(pictures, titles, strict=True)]


class Looks:
    """Looks by ad id; for several threads and processes at once."""

    def __init__(self, engine: Engine, encoders: Encoders) -> None:
        self._engine = engine
        self._encoders = encoders
        self._kept: OrderedDict[str, Look] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, ad_ids: Sequence[str]) -> dict[str, Look]:
        """Those that were made; one that is not there is asked for again at the next call."""
        found: dict[str, Look] = {}
        missing: list[str] = []
        with self._lock:
            for ad_id in dict.fromkeys(ad_ids):
                look = self._kept.get(ad_id)
                if look is None:
                    missing.append(ad_id)
                else:
                    self._kept.move_to_end(ad_id)
                    found[ad_id] = look
        if missing:
            read = self._read(missing)
            self._keep(read)
            found |= read
        return found

    def make(self, ads: Sequence[SeenAd]) -> list[Look]:
        """Of ads that have none yet. Raises what `Encoders.looks` does."""
        if not ads:
            return []
        made = self._encoders.looks(ads)
        rows = [
            {
                "ad_id": ad.ad_id,
                "encoders": self._encoders.name,
                "picture": look.picture.astype(_DTYPE).tobytes(),
                "title": look.title.astype(_DTYPE).tobytes(),
            }
            for ad, look in zip(ads, made, strict=True)
        ]
        # In one order by whoever writes: none waits for what waits for it.
        rows.sort(key=lambda row: str(row["ad_id"]))
        with self._engine.begin() as connection:
            connection.execute(insert_new(looks, self._engine), rows)
        self._keep({ad.ad_id: look for ad, look in zip(ads, made, strict=True)})
        return made

    def _read(self, ad_ids: Sequence[str]) -> dict[str, Look]:
        columns = looks.c.ad_id, looks.c.picture, looks.c.title
        found: dict[str, Look] = {}
        with self._engine.connect() as connection:
            for some in parts(ad_ids):
                these = looks.c.ad_id.in_(some) & (looks.c.encoders == self._encoders.name)
                for ad_id, picture, title in connection.execute(select(*columns).where(these)):
                    found[ad_id] = Look(_vector(picture), _vector(title))
        return found

    def _keep(self, made: dict[str, Look]) -> None:
        with self._lock:
            self._kept.update(made)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


def _vector(content: bytes) -> NDArray[np.float32]:
    return np.frombuffer(content, dtype=_DTYPE).astype(np.float32)
