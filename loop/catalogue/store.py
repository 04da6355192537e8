"""The catalogue: every product that the shop sells or sold.

It lies in a database and is never read as a whole: a product is looked up when it is asked for,
so a server starts as fast with ten million products as with ten.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DatabaseError

from adloom.loop.catalogue.pictures.store import PictureStore
from adloom.loop.catalogue.product import Product, UnknownProduct
from adloom.loop.catalogue.rows import Entry, from_row, to_row
from adloom.loop.catalogue.vectors import Made, ProductVectors
from adloom.loop.database.health import DatabaseUnusable, problem
from adloom.loop.database.statements import parts, upsert
from adloom.loop.database.tables import feeds, products, revisions
from adloom.models.text_encoder import TextEncoder

_REVISION = select(revisions.c.number)  # made once: each request looks
_IDS_AT_ONCE = 10_000
_KEPT = 4_096
"""Products in memory: what a server is asked for comes again."""


class RetiredProduct(UnknownProduct):
    """The shop does not sell the product any more."""

    def __str__(self) -> str:
        return f"product {self.product_id!r} is retired: it is not sold any more"


class Catalogue:
    """Products by id. For several threads and processes at once."""

    def __init__(
        self, engine: Engine, pictures: PictureStore, encoder: TextEncoder | None = None
    ) -> None:
        """``encoder`` makes vectors of the products' texts; None is MiniLM."""
        self.engine = engine
        self.pictures = pictures
        self.vectors = ProductVectors(engine, encoder or TextEncoder())
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Product | None] = OrderedDict()
        self._revision = self.revision()

    def close(self) -> None:
        """Let the connections go."""
        self.engine.dispose()

    def problem(self) -> str | None:
        """Why its database cannot be used, in one line; None where it can."""
        return problem(self.engine, self.revision)

    def __getitem__(self, product_id: str) -> Product:
        """A product, retired or not. Raises UnknownProduct."""
        found = self.find([product_id])
        if product_id not in found:
            raise UnknownProduct(product_id)
        return found[product_id]

    def selling(self, product_id: str) -> Product:
        """A product that is sold. Raises UnknownProduct, RetiredProduct."""
        product = self[product_id]
        if product.retired:
            raise RetiredProduct(product_id)
        return product

    def find(self, product_ids: Iterable[str]) -> dict[str, Product]:
        """The products among ``product_ids`` that the catalogue has, retired ones too."""
        wanted = list(dict.fromkeys(product_ids))
        with self._lock:
            found = {name: self._kept[name] for name in wanted if name in self._kept}
            revision = self._revision
        missing = [name for name in wanted if name not in found]
        if missing:
            read = self._read(missing)
            found |= {name: read.get(name) for name in missing}
            self._keep({name: read.get(name) for name in missing}, revision)
        return {name: product for name, product in found.items() if product is not None}

    def page(
        self, *, after: str = "", limit: int = 100, search: str = "", retired: bool | None = False
    ) -> list[Entry]:
        """Entries in the order of their ids, those that follow the id ``after``.

        Args:
            search: only products whose id, name or category holds this text.
            retired: False leaves retired ones out, True takes them alone, None takes both.
        """
        query = select(products).where(products.c.product_id > after)
        if search:
            query = query.where(products.c.searched.contains(search.lower(), autoescape=True))
        if retired is not None:
            query = query.where(products.c.retired.is_(retired))
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(products.c.product_id).limit(limit)).all()
        return [from_row(row, self.pictures) for row in rows]

    @property
    def sells_nothing(self) -> bool:
        """Whether no product is sold; False where nobody can tell."""
        try:
            return not self.page(limit=1)
        except (DatabaseUnusable, DatabaseError):
            return False

    def entry(self, product_id: str) -> Entry:
        """A product with all that is kept of it. Raises UnknownProduct."""
        found = self.entries([product_id])
        if product_id not in found:
            raise UnknownProduct(product_id)
        return found[product_id]

    def count(self, *, retired: bool = False) -> int:
        """How many products are sold, or were."""
        query = select(func.count()).where(products.c.retired.is_(retired))
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def entries(self, product_ids: Sequence[str]) -> dict[str, Entry]:
        """Each known product with all that is kept of it, read anew."""
        found: dict[str, Entry] = {}
        with self.engine.connect() as connection:
            for some in parts(product_ids):
                query = select(products).where(products.c.product_id.in_(some))
                for row in connection.execute(query):
                    found[row.product_id] = from_row(row, self.pictures)
        return found

    def sold_from(self, source: str) -> Iterator[list[str]]:
        """Ids of the products that a feed told of and that are sold, many at a time."""
        query = select(products.c.product_id).where(
            products.c.source == source, products.c.retired.is_(False)
        )
        with self.engine.connect() as connection:
            for some in connection.execute(query).scalars().partitions(_IDS_AT_ONCE):
                yield list(some)

    def put(self, entries: Sequence[Entry], made: Mapping[str, Made]) -> None:
        """Take entries in, all or none, in the place of those with their ids.

        Args:
            entries: one at least.
            made: vectors of the products whose texts are new.
        """
        now = datetime.now(UTC)
        pictured = {e.product.product_id: bool(e.product.shown_name) for e in entries}
        with self.engine.begin() as connection:
            revision = self._next_revision(connection)
            rows = [to_row(entry, now, revision) for entry in entries]
            connection.execute(upsert(products, self.engine), rows)
            self.vectors.put(connection, pictured, made, revision)
        self.follow()

    def put_vectors(self, entries: Sequence[Entry], made: Mapping[str, Made]) -> None:
        """Take vectors of known products in, in the place of those that they had."""
        pictured = {e.product.product_id: bool(e.product.shown_name) for e in entries}
        with self.engine.begin() as connection:
            revision = self._next_revision(connection)
            self.vectors.write(connection, pictured, made, revision)

    def begin_vectors_anew(self) -> None:
        """Let nobody compare vectors from now on."""
        with self.engine.begin() as connection:
            self.vectors.note_encoder(connection, "")

    def end_vectors_anew(self) -> None:
        """All vectors are the encoder's from now on."""
        with self.engine.begin() as connection:
            self._next_revision(connection)
            self.vectors.note_encoder(connection, self.vectors.encoder.name)
        self.follow()

    def retire(self, product_ids: Sequence[str]) -> list[str]:
        """Sell these no more; returns those that were sold until now. Unknown ones are left out."""
        now = datetime.now(UTC)
        changed: list[str] = []
        with self.engine.begin() as connection:
            revision = self._next_revision(connection)
            for some in parts(list(dict.fromkeys(product_ids))):
                chosen = products.c.product_id.in_(some) & products.c.retired.is_(False)
                changed += connection.execute(select(products.c.product_id).where(chosen)).scalars()
                connection.execute(
                    products.update()
                    .where(chosen)
                    .values(retired=True, updated=now, revision=revision)
                )
        self.follow()
        return changed

    def note_feed(self, source: str, state: str, moment: datetime) -> None:
        """Remember in which state a feed was read to its end."""
        with self.engine.begin() as connection:
            row = {"source": source, "stamp": state, "read_at": moment}
            connection.execute(upsert(feeds, self.engine), [row])

    def feed_state(self, source: str) -> str | None:
        """The state in which a feed was read last; None where it never was."""
        query = select(feeds.c.stamp).where(feeds.c.source == source)
        with self.engine.connect() as connection:
            return connection.execute(query).scalar()

    def revision(self) -> int:
        """A number that grows with every change, whichever process made it."""
        with self.engine.connect() as connection:
            return int(connection.execute(_REVISION).scalar_one())

    def follow(self) -> bool:
        """Forget what other processes have changed. True when there was anything."""
        revision = self.revision()
        with self._lock:
            if revision == self._revision:
                return False
            self._revision = revision
            self._kept.clear()
        return True

    def _keep(self, read: Mapping[str, Product | None], revision: int) -> None:
        with self._lock:
            if revision != self._revision:  # it changed while it was read
                return
            self._kept.update(read)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def _read(self, product_ids: Sequence[str]) -> dict[str, Product]:
        return {name: entry.product for name, entry in self.entries(product_ids).items()}

    @staticmethod
    def _next_revision(connection: Connection) -> int:
        """Taken first: who writes next waits here for the one before."""
        connection.execute(revisions.update().values(number=revisions.c.number + 1))
        return int(connection.execute(select(revisions.c.number)).scalar_one())
