"""What titles may say on a data set, as served: its clicked titles are the shop's ads."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.words.titles import TitleWords, chosen_words, own_words, said_by
from adloom.loop.settings.titles import TitleSettings
from adloom.models.datasets.record import AdRecord
from adloom.models.datasets.shards import read_rows, row_groups, shard_files
from adloom.models.titles.rules import TitleRules

_MOST_TITLES = 20_000
"""Of the training split: words of style that the rest uses are in these."""
_COLUMNS = ("split", "language", "name", "short_name", "words", "titles")


class RecordTitles:
    """The rules of each record's title."""

    def __init__(self, settings: TitleSettings, learnt: Mapping[str, tuple[str, ...]]) -> None:
        """``learnt`` are words of style of each language: see `learnt_words`."""
        self._words = TitleWords(settings, lambda language: learnt.get(language, ()))

    def rules(self, record: AdRecord) -> TitleRules:
        """Those of a product as the record has it; a record knows of no sale price."""
        return self._words.rules(
            Product(
                record.record_id,
                record.name,
                record.category,
                record.words,
                language=record.language or "en",
                short_name=record.short_name,
            )
        )


def learnt_words(folder: Path) -> dict[str, tuple[str, ...]]:
    """Words of style of the training split's titles, of each language.

    Raises:
        BadShards: the data set is not complete, or a shard is damaged.
    """
    said: defaultdict[str, Counter[str]] = defaultdict(Counter)
    own: defaultdict[str, set[str]] = defaultdict(set)
    words = cache(own_words)
    for row in islice(_trained_on(folder), _MOST_TITLES):
        language = row["language"] or "en"
        said[language].update(said_by(row["titles"][0], language))
        for text in (row["name"], row["short_name"], *row["words"]):
            own[language] |= words(text, language)
    return {language: chosen_words(said[language], own[language], language) for language in said}


def _trained_on(folder: Path) -> Iterator[dict[str, Any]]:
    for path in shard_files(folder):
        for group in range(row_groups(path)):
            rows = read_rows(path, group, _COLUMNS).to_pylist()
            yield from (row for row in rows if row["split"] == "train")
