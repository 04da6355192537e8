"""Rows of a backfill are events, or are named with the column that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adloom.loop.replay.errors import NotPastEvents
from adloom.loop.replay.past_events import PastEvents

EVENT = {
    "kind": "click",
    "event_id": "e",
    "ts": "2026-03-01T12:00:00Z",
    "user_id": "ann",
    "item_id": "shoe",
}


@pytest.mark.parametrize("value", [["click"], {"click": 1}, [], {}, 7, 0.5, True, None])
def test_a_kind_that_is_no_text_is_named(value: Any, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in (EVENT, EVENT | {"kind": value})))
    with pytest.raises(NotPastEvents, match="line 2: kind: none of"):
        list(PastEvents(file).batches())


@pytest.mark.parametrize("name", [*EVENT, "ad_id", "variant", "position", "context", "extra"])
def test_a_column_of_lists_is_named(name: str, tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist([EVENT | {name: ["click"]}]), file)
    with pytest.raises(NotPastEvents, match=f"row 1: {name}: "):
        list(PastEvents(file).batches())
