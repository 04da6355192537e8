"""Ids come out of a click log as they were written, or not at all."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.loop.replay.click_log import ClickLog
from adloom.loop.replay.layout import Layout

TS = "2024-01-01T00:00:00Z"


def ids(file: Path, layout: Layout | None = None) -> tuple[list[tuple[str, str]], dict[int, str]]:
    """User and item of each row that is an event, and why others are none, by row."""
    log = ClickLog.of(file, layout)
    found = [row.events[0] for row in log.events("run")]
    refused = {row.line: row.reason for row in log.refusals}
    return [(event.user_id, event.item_id) for event in found], refused


TEXTS = [
    *("NA", "NaN", "nan", "null", "None", "inf", "-inf", "N/A", "true", "#N/A", "<NA>"),
    *("007", "0", "-0", "1e5", "1E400", "0x10", "1_000", "7.5", "+7", "é"),
    *("7.0.0", "v7.0", "7.", ".0", "7.0a", "1e+5"),
    *("9007199254740993", "123456789012345678901234567890", " ann", "ann ", "a b"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_text_in_every_format(text: str, tmp_path: Path) -> None:
    file = tmp_path / "clicks"
    file.write_text(f"ts,user_id,item_id,click\n{TS},{text},{text},0\n")
    assert ids(file) == ([(text, text)], {})
    row = {"ts": TS, "user_id": text, "item_id": text, "click": 0}
    file.write_text(json.dumps(row) + "\n")
    assert ids(file) == ([(text, text)], {})
    pq.write_table(pa.Table.from_pylist([row]), file)
    assert ids(file) == ([(text, text)], {})


ROUNDED = [
    *("7.0", "-3.0", "0.0", "007.0", "9007199254740992.0", "12345.00"),
    *("1e+16", "1.2345678901234568e+18", "1e+22"),
]


@pytest.mark.parametrize("column", ["user_id", "sku", "ad_id"])
@pytest.mark.parametrize("cell", ROUNDED)
def test_a_float_for_an_id_in_csv_is_refused_with_advice(
    cell: str, column: str, tmp_path: Path
) -> None:
    good = {"ts": TS, "user_id": "7", "sku": "8", "ad_id": "9", "click": "0", "variant": "7.0"}
    rows = [good, good | {column: cell}, good]
    file = tmp_path / "clicks.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    layout = Layout({"item_id": "sku"})
    found, refused = ids(file, layout)
    assert found == [("7", "8")] * 2
    [(line, reason)] = refused.items()
    assert line == 3
    assert reason.startswith(f"{column}: {cell} is a number of a column with gaps")
    assert "dtype=str" in reason
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))  # has text for what is text
    assert len(ids(file, layout)[0]) == 3
    pq.write_table(pa.Table.from_pylist(rows), file)
    assert len(ids(file, layout)[0]) == 3


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5))
@settings(deadline=None)
def test_no_number_that_pandas_made_a_float_becomes_an_id(numbers: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clicks.csv"
        frame = pd.DataFrame({"user_id": [*numbers, None]}).assign(ts=TS, item_id="shoe", click=0)
        assert frame["user_id"].dtype == "float64"
        pd.concat([frame, frame.assign(user_id="ann")]).to_csv(file, index=False)
        found, refused = ids(file)
    assert {user for user, _ in found} == {"ann"}
    assert len(refused) == len(numbers) + 1


def test_numbers_beside_a_null_stay_what_they_are_in_json_lines(tmp_path: Path) -> None:
    rows: list[Any] = [7, None, 9007199254740993, 9007199254740992, 7.0, 1e5, 2.0**53, True, 1.5]
    file = tmp_path / "clicks.jsonl"
    file.write_text(
        "".join(
            json.dumps({"ts": TS, "user_id": user, "item_id": "shoe", "click": 0}) + "\n"
            for user in rows
        )
    )
    found, refused = ids(file)
    assert [user for user, _ in found] == [
        "7",
        "9007199254740993",
        "9007199254740992",
        "7",
        "100000",
    ]
    assert refused == {
        2: "user_id: Field required",
        7: "user_id: a float this large may stand for several ids: make it text or an integer",
        8: "user_id: Input should be a valid string",
        9: "user_id: Input should be a valid string",
    }


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([7, None, 9007199254740993]), ["7", None, "9007199254740993"]),
        (pa.array([7.0, None, 2.0**53]), ["7", None, None]),
        (pa.array([7.0, None, 2.0**24], pa.float32()), ["7", None, None]),
        (pa.array([7.0, float("nan"), -(2.0**60)]), ["7", None, None]),
        (pa.array([7, None, 2**64 - 1], pa.uint64()), ["7", None, str(2**64 - 1)]),
        (
            pa.array([Decimal(7), None, Decimal(10**37 + 1)], pa.decimal128(38, 0)),
            ["7", None, str(10**37 + 1)],
        ),
        (pa.array(["NA", None, "ann"]).dictionary_encode(), ["NA", None, "ann"]),
        (pa.array([b"NA", None, b"ann"]), ["NA", None, "ann"]),
    ],
)
def test_a_column_of_parquet_gives_its_values_or_is_refused(
    column: pa.Array, expected: list[str | None], tmp_path: Path
) -> None:
    file = tmp_path / "clicks.parquet"
    rows = {"ts": [TS] * 3, "user_id": column, "item_id": ["shoe"] * 3, "click": [0] * 3}
    pq.write_table(pa.table(rows), file)
    found, refused = ids(file)
    assert [user for user, _ in found] == [user for user in expected if user is not None]
    assert list(refused) == [row for row, user in enumerate(expected, start=1) if user is None]
    assert all(reason.startswith("user_id: ") for reason in refused.values())
