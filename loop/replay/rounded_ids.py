"""Ids of CSV that may have been rounded before they were written.

A number column with gaps is one of floats in pandas and others: 4711 is written as 4711.0, and of
two long ids that differ in the last digit one is left. CSV cannot tell such a cell from text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from adloom.stream.events import InvalidEvent, Reason

# As floats are written: from 10**16 on with an exponent.
_FLOAT = re.compile(r"-?[0-9]+(\.0+|(\.[0-9]+)?e\+[0-9]{2,3})")
_TOLD_CHARACTERS = 40


def refuse_rounded_ids(fields: Mapping[str, Any], columns: Iterable[str]) -> None:
    """Raises InvalidEvent, which names the column, where one of these cells reads as a float."""
    for column in columns:
        cell = fields.get(column)
        if isinstance(cell, str) and _FLOAT.fullmatch(cell):
            raise InvalidEvent(
                Reason.WRONG_TYPE,
                f"{column}: {cell[:_TOLD_CHARACTERS]} is a number of a column with gaps, where "
                "long ids are rounded: write ids as text (pandas: read them with dtype=str), or "
                "where this is the id itself, as text in JSON lines or Parquet",
                column,
            )
