"""Tables with rows that are to be refused, and where those stand."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class BadRow:
    """A row that a reader must not take.

    Attributes:
        reason: a word that the reader's reason has to hold.
    """

    row: Mapping[str, str]
    reason: str


@dataclass(frozen=True)
class Expected:
    """Where a bad row begins, the id it names and what is wrong with it."""

    line: int
    id: str
    reason: str


def write_table(
    rows: Sequence[Mapping[str, str]], bad: Sequence[BadRow], *, id_column: str, separator: str
) -> tuple[str, list[Expected]]:
    """The text of a CSV file with the bad rows at its end, and what is to be said of them."""
    text = io.StringIO()
    columns = list(rows[0])
    writer = csv.DictWriter(text, columns, delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    expected = []
    for entry in bad:
        line = text.getvalue().count("\n") + 1
        expected.append(Expected(line, entry.row[id_column], entry.reason))
        writer.writerow(entry.row)
    return text.getvalue(), expected
