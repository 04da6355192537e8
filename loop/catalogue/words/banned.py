"""Words that people ban from titles beside those of the settings: in force at the next request."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, select

from adloom.loop.catalogue.creatives.reviewing import next_revision
from adloom.loop.database.review_tables import word_reviews
from adloom.models.titles.languages import fallbacks

MOST_WORDS = 5_000
ALL_LANGUAGES = ""


class TooManyWords(ValueError):
    """No more words can be banned."""

    def __init__(self) -> None:
        super().__init__(f"{MOST_WORDS:,} words are banned already: allow some of them first")


@dataclass(frozen=True)
class WordReview:
    """What was done to a word, by whom and why; ``at`` is aware, UTC.

    ``language`` is a BCP 47 tag, or "" for all languages.
    """

    at: datetime
    language: str
    word: str
    banned: bool
    why: str
    by: str

    @property
    def key(self) -> tuple[str, str]:
        """The same for all spellings of a word."""
        return self.language.lower(), self.word.casefold()


class BannedWords:
    """For several threads and processes at once; a word is read again once any has changed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._last = -1
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, language: str) -> tuple[str, ...]:
        """Words banned in a language, in what it falls back to, and in all."""
        with self._lock, self._engine.connect() as connection:
            last = connection.execute(select(func.max(word_reviews.c.number))).scalar() or 0
            if last != self._last:
                self._known = _by_language(_now(connection))
                self._last = last
            tags = [tag.lower() for tag in fallbacks(language)]
            return tuple(
                word for tag in (ALL_LANGUAGES, *tags) for word in self._known.get(tag, ())
            )

    def listed(self) -> list[WordReview]:
        """The words that are banned now, by language and word."""
        with self._engine.connect() as connection:
            return _now(connection)

    def history(self, limit: int = 500) -> list[WordReview]:
        """What was done, the latest first."""
        query = _rows().order_by(word_reviews.c.number.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [WordReview(*row) for row in connection.execute(query)]

    def review(self, language: str, word: str, *, banned: bool, why: str, by: str) -> bool:
        """Ban a word, or allow it again; False where it was so before. Raises TooManyWords."""
        told = WordReview(datetime.now(UTC), language, word.strip(), banned, why, by)
        with self._engine.begin() as connection:
            # First what all writers take turns by: numbers are then in the order of commits.
            next_revision(connection)
            now = _now(connection)
            if (told.key in {one.key for one in now}) == banned:
                return False
            if banned and len(now) >= MOST_WORDS:
                raise TooManyWords
            connection.execute(word_reviews.insert(), [asdict(told)])
        return True


def _rows() -> Select[Any]:
    return select(*(word_reviews.c[field.name] for field in fields(WordReview)))


def _now(connection: Connection) -> list[WordReview]:
    latest: dict[tuple[str, str], WordReview] = {}
    for row in connection.execute(_rows().order_by(word_reviews.c.number)):
        told = WordReview(*row)
        latest[told.key] = told
    return [latest[key] for key in sorted(latest) if latest[key].banned]


def _by_language(words: list[WordReview]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for one in words:
        found.setdefault(one.language.lower(), []).append(one.word)
    return {language: tuple(of) for language, of in found.items()}
