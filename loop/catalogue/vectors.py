"""Vectors of products: made once at intake, kept as rows of their own.

A request reads a row for each click of a history, so rows are short, and there is nothing in them
that it does not need.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, bindparam, func, select

from adloom.loop.database.statements import parts, upsert
from adloom.loop.database.tables import text_encoders, vectors
from adloom.models.text_encoder import MINILM, TextEncoder

_DTYPE = "<f2"


class OtherTextEncoder(RuntimeError):
    """The vectors that are kept are made by another text encoder; the message says what to do."""


@dataclass(frozen=True)
class Placed:
    """A product's vector (:func:`adloom.models.retrieval.product_vectors`); has it a picture?"""

    vector: NDArray[np.float32]
    pictured: bool


@dataclass(frozen=True)
class Made:
    """A vector, and the hash of the text that it was made of."""

    text: str
    vector: NDArray[np.float32]


class ProductVectors:
    """Vectors by product. For several threads and processes at once."""

    def __init__(self, engine: Engine, encoder: TextEncoder) -> None:
        """``encoder`` makes them: those of another one are neither given out nor added to."""
        self._engine = engine
        self.encoder = encoder

    def check(self, connection: Connection) -> None:
        """Raises OtherTextEncoder where the vectors are not the encoder's."""
        name = connection.execute(select(text_encoders.c.name)).scalar()
        if name is None:
            if self.encoder.name == MINILM or not _any(connection):
                return
            name = MINILM
        if name != self.encoder.name:
            raise OtherTextEncoder(
                f"products are likened by the text encoder {name}, catalog.text_encoder is "
                f"{self.encoder.name}: set it back, or make their vectors anew (adloom catalog "
                "embed)"
                if name
                else "the vectors of products are being made anew: wait for adloom catalog embed, "
                "or run it again"
            )

    def verify(self) -> None:
        """As `check`."""
        with self._engine.connect() as connection:
            self.check(connection)

    def note_encoder(self, connection: Connection, name: str) -> None:
        """What all vectors are made by from now on; "" is nothing that may be compared."""
        connection.execute(upsert(text_encoders, self._engine), [{"id": 1, "name": name}])

    def size(self) -> int:
        """Numbers in a vector."""
        from adloom.models.retrieval import VECTOR_SIZE

        with self._engine.connect() as connection:
            content = connection.execute(select(vectors.c.vector).limit(1)).scalar()
        return VECTOR_SIZE if content is None else len(_vector(content))

    def placed(self, product_ids: Sequence[str]) -> dict[str, Placed]:
        """Where each known product lies among the others: what retrieval needs, and no more."""
        columns = vectors.c.product_id, vectors.c.vector, vectors.c.pictured
        found: dict[str, Placed] = {}
        with self._engine.connect() as connection:
            self.check(connection)
            for some in parts(list(dict.fromkeys(product_ids))):
                query = select(*columns).where(vectors.c.product_id.in_(some))
                for name, content, pictured in connection.execute(query):
                    found[name] = Placed(_vector(content), pictured)
        return found

    def texts(self, product_ids: Sequence[str]) -> dict[str, str]:
        """Hash of the text that each known vector was made of."""
        columns = vectors.c.product_id, vectors.c.text
        found: dict[str, str] = {}
        with self._engine.connect() as connection:
            for some in parts(product_ids):
                rows = connection.execute(select(*columns).where(vectors.c.product_id.in_(some)))
                found |= dict(map(tuple, rows))
        return found

    def since(
        self, revision: int, at_once: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Places and vectors, float32 ``(n, d)``, of those made after a revision."""
        query = select(vectors.c.place, vectors.c.vector).where(vectors.c.revision > revision)
        with self._engine.connect().execution_options(yield_per=at_once) as connection:
            self.check(connection)
            for rows in connection.execute(query).partitions():
                places = np.array([place for place, _ in rows], dtype=np.int64)
                yield places, np.stack([_vector(content) for _, content in rows])

    def at(self, places: Sequence[int]) -> dict[int, str]:
        """The product at each place that has one."""
        found: dict[int, str] = {}
        with self._engine.connect() as connection:
            for some in parts(places):
                query = select(vectors.c.place, vectors.c.product_id)
                rows = connection.execute(query.where(vectors.c.place.in_(some)))
                found |= dict(map(tuple, rows))
        return found

    def __len__(self) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(vectors)).scalar_one())

    def put(
        self,
        connection: Connection,
        pictured: Mapping[str, bool],
        made: Mapping[str, Made],
        revision: int,
    ) -> None:
        """Write what is new of these products: vectors, and whether there is a picture.

        Raises OtherTextEncoder where the known vectors are not the encoder's.
        """
        self.check(connection)
        if made and self.encoder.name != MINILM:
            self.note_encoder(connection, self.encoder.name)
        self.write(connection, pictured, made, revision)

    def write(
        self,
        connection: Connection,
        pictured: Mapping[str, bool],
        made: Mapping[str, Made],
        revision: int,
    ) -> None:
        """As `put`, whatever the known vectors are made by."""
        new = [
            {
                "product_id": name,
                "text": one.text,
                "vector": one.vector.astype(_DTYPE).tobytes(),
                "pictured": pictured[name],
                "place": place_of(name),
                "revision": revision,
            }
            for name, one in made.items()
        ]
        if new:
            connection.execute(upsert(vectors, self._engine), new)
        known = [{"name": n, "has": has} for n, has in pictured.items() if n not in made]
        if known:
            chosen = vectors.update().where(vectors.c.product_id == bindparam("name"))
            connection.execute(chosen.values(pictured=bindparam("has")), known)


def place_of(product_id: str) -> int:
    """The number that stands for a product in an index: 63 bits of a hash of its id."""
    digest = hashlib.blake2b(product_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _any(connection: Connection) -> bool:
    return connection.execute(select(vectors.c.product_id).limit(1)).scalar() is not None


def _vector(content: bytes) -> NDArray[np.float32]:
    return np.frombuffer(content, dtype=_DTYPE).astype(np.float32)
