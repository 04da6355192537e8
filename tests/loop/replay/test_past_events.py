"""Rows of a backfill are events, or are named with the column that is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
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


@pytest.mark.parametrize("name", ["event_id", "user_id", "item_id", "ad_id"])
@pytest.mark.parametrize("cell", ["7.0", "9007199254740992.0", "1.2345678901234568e+18"])
def test_a_float_for_an_id_is_refused_in_csv_alone(name: str, cell: str, tmp_path: Path) -> None:
    rows = [EVENT | {"ad_id": "a"}, EVENT | {"ad_id": "a", name: cell}]
    file = tmp_path / "events"
    pd.DataFrame(rows).to_csv(file, index=False)
    with pytest.raises(NotPastEvents, match=rf"line 3: {name}: {re.escape(cell)} is .*dtype=str"):
        list(PastEvents(file).batches())
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert getattr(next(PastEvents(file).batches())[1], name) == cell
    pq.write_table(pa.Table.from_pylist(rows), file)
    assert getattr(next(PastEvents(file).batches())[1], name) == cell
