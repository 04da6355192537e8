"""Words of style, learnt from the titles of the shop's own ads.

Each title is read once: how many titles say a word is counted in the catalogue's database, and so
is which title was read last.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, select

from adloom.loop.catalogue.creatives.store import CreativeStore, ShopTitle
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.words.titles import chosen_words, own_words, said_by
from adloom.loop.database.statements import insert_new
from adloom.loop.database.tables import title_words, titles_read

_TITLES_AT_ONCE = 10_000


class LearntWords:
    """The words of style of each language; for several threads at once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._engine = catalogue.engine
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, ...]] = {}
        self._number = -1

    def of(self, language: str) -> tuple[str, ...]:
        """The most used first; none where no ad of the shop is in that language."""
        columns = title_words.c
        query = select(columns.word).where(columns.language == language, columns.place > 0)
        with self._lock, self._engine.connect() as connection:
            number = _last_read(connection)
            if number != self._number:
                self._known.clear()
                self._number = number
            if language not in self._known:
                words = connection.execute(query.order_by(columns.place)).scalars()
                self._known[language] = tuple(words)
            return self._known[language]


def learn_title_words(catalogue: Catalogue, creatives: CreativeStore) -> None:
    """Read the titles of the shop's own ads that came since the last time."""
    engine = catalogue.engine
    with engine.begin() as connection:
        connection.execute(insert_new(titles_read, engine), {"id": 1, "number": 0})
    while True:
        with engine.connect() as connection:
            after = _last_read(connection)
        titles = creatives.shop_titles(after=after, limit=_TITLES_AT_ONCE)
        if not titles:
            return
        found = _words_of(titles, catalogue)
        with engine.begin() as connection:
            last = titles_read.update().where(titles_read.c.number == after)
            # None where another process has read them meanwhile.
            if connection.execute(last.values(number=titles[-1].number)).rowcount:
                for language, words in found.items():
                    _count(connection, catalogue, language, words)
                    _choose(connection, language)


@dataclass
class _Words:
    """Words of some titles in one language, and those of their products."""

    said: Counter[str] = field(default_factory=Counter)
    own: set[str] = field(default_factory=set)


def _words_of(titles: Sequence[ShopTitle], catalogue: Catalogue) -> dict[str, _Words]:
    products = catalogue.find({title.product_id for title in titles})
    found: defaultdict[str, _Words] = defaultdict(_Words)
    for title in titles:
        if title.product_id in products:
            language = products[title.product_id].language
            found[language].said.update(said_by(title.title, language))
    for product in products.values():
        for text in (product.name, product.short_name, *product.selling_points):
            found[product.language].own |= own_words(text, product.language)
    return found


def _count(connection: Connection, catalogue: Catalogue, language: str, words: _Words) -> None:
    said = [{"said": word, "more": titles} for word, titles in words.said.items()]
    own = [{"theirs": word} for word in words.own]
    rows = [
        {"language": language, "word": word, "titles": 0, "own": False, "place": None}
        for word in words.said.keys() | words.own
    ]
    columns, here = title_words.c, title_words.update().where(title_words.c.language == language)
    if rows:
        connection.execute(insert_new(title_words, catalogue.engine), rows)
    if said:
        more = here.where(columns.word == bindparam("said"))
        connection.execute(more.values(titles=columns.titles + bindparam("more")), said)
    if own:
        theirs = here.where(columns.word == bindparam("theirs"))
        connection.execute(theirs.values(own=True), own)


def _choose(connection: Connection, language: str) -> None:
    columns = title_words.c
    query = select(columns.word, columns.titles, columns.own).where(columns.language == language)
    rows = connection.execute(query).all()
    said = {row.word: row.titles for row in rows if row.titles}
    chosen = chosen_words(said, {row.word for row in rows if row.own}, language)
    here = title_words.update().where(columns.language == language)
    connection.execute(here.where(columns.place.is_not(None)).values(place=None))
    places = [{"chosen": word, "at": place} for place, word in enumerate(chosen, start=1)]
    if places:
        there = here.where(columns.word == bindparam("chosen"))
        connection.execute(there.values(place=bindparam("at")), places)


def _last_read(connection: Connection) -> int:
    return connection.execute(select(titles_read.c.number)).scalar() or 0
