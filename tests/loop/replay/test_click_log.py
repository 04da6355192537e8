"""Click logs of any make are read row by row, and what is no event is named."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adloom.loop.replay.click_log import ClickLog
from adloom.loop.replay.errors import ClickLogUnavailable, UnknownLayout
from adloom.loop.replay.layout import Layout
from adloom.stream.event_settings import EventSettings
from adloom.stream.events import Click, Event

AT = datetime(2024, 1, 1, tzinfo=UTC)
HEAD = "ts,user_id,item_id,click\n"
GOOD = "2024-01-01T00:00:00Z,ann,shoe,1\n"


def log_of(tmp_path: Path, text: str | bytes, layout: Layout | None = None) -> ClickLog:
    file = tmp_path / "clicks"  # what it is shows in its bytes, not in its name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ClickLog.of(file, layout)


def events_of(log: ClickLog) -> list[Event]:
    return [event for row in log.events("run") for event in row.events]


def refusals_of(log: ClickLog) -> dict[int, str]:
    list(log.events("run"))
    return {row.line: row.reason for row in log.refusals}


def test_a_row_is_an_impression_and_a_click_with_the_ad(tmp_path: Path) -> None:
    text = (
        "ts,user_id,item_id,click,ad_id,position,propensity,variant\n"
        "2024-01-01T00:00:00Z,1,shoe,1,ad-7,2,0.5,b\n"
        "2024-01-01T00:00:01Z,1,shoe,0,,1.0,,\n"
    )
    shown, clicked, later = events_of(log_of(tmp_path, text))
    assert isinstance(clicked, Click)
    assert shown.ad_id == clicked.ad_id == "ad-7"
    assert (shown.position, shown.propensity, shown.variant) == (2, 0.5, "b")
    assert (later.ad_id, later.position, later.propensity, later.variant) == (None, 1, None, None)
    assert len({shown.event_id, clicked.event_id, later.event_id}) == 3


CLICKS: list[Any] = [1, 1.0, True, "1", "1.0", " 1 ", "true", "True", "yes", "on", "t", "Y"]
NO_CLICKS: list[Any] = [0, 0.0, -0.0, False, "0", "0.0", "false", "False", "no", "off", "f", "N"]
NEITHER: list[Any] = [
    *(2, -1, 0.5, 2.0, 10**400, "2", "0.5", "-1", "2.0", "1e9", "inf", "nan", "often", "", None),
    *([1], {"1": 1}, []),
]


def test_a_click_is_1_or_0_however_they_are_written_and_nothing_else(tmp_path: Path) -> None:
    rows = [ROW | {"click": value} for value in [*CLICKS, *NO_CLICKS, *NEITHER]]
    log = log_of(tmp_path, json_lines(*rows))
    counts = [len(row.events) for row in log.events("run")]
    assert counts == [2] * len(CLICKS) + [1] * len(NO_CLICKS)
    refused = [(row.line, row.reason) for row in log.refusals]
    first = len(CLICKS) + len(NO_CLICKS) + 1
    assert refused == [(first + n, "click: neither 0 nor 1") for n in range(len(NEITHER))]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_or_told(separator: str, tmp_path: Path) -> None:
    text = (HEAD + GOOD).replace(",", separator)
    assert len(events_of(log_of(tmp_path, text))) == 2
    assert len(events_of(log_of(tmp_path, text, Layout(separator=separator)))) == 2


@pytest.mark.parametrize(
    ("ts", "layout"),
    [
        ("2024-01-01T00:00:00Z", Layout()),
        ("2024-01-01 00:00:00", Layout()),
        ("2024-01-01 00:00:00 UTC", Layout()),
        ("2024-01-01T01:00:00+01:00", Layout()),
        ("2024-01-01 01:00:00", Layout(zone="Europe/Berlin")),
        ("1704067200", Layout(unit="s")),
        ("1704067200.0", Layout(unit="s")),
        ("1704067200000", Layout(unit="ms")),
        ("1704067200000000", Layout(unit="us")),
        ("1704067200000000000", Layout(unit="ns")),
    ],
)
def test_moments_are_text_or_numbers_of_the_unit_told(
    ts: str, layout: Layout, tmp_path: Path
) -> None:
    [event, _] = events_of(
        log_of(tmp_path, HEAD + GOOD.replace("2024-01-01T00:00:00Z", ts), layout)
    )
    assert event.ts == AT


def test_columns_may_have_names_of_their_own(tmp_path: Path) -> None:
    text = "timestamp;uid;sku;campaign;was.clicked\n1704067200;7;4711;spring;yes\n"
    columns = {"ts": "timestamp", "user_id": "uid", "item_id": "sku", "click": "was.clicked"}
    layout = Layout(columns | {"variant": "campaign"}, unit="s")
    [shown, _] = events_of(log_of(tmp_path, text, layout))
    assert (shown.ts, shown.user_id, shown.item_id, shown.variant) == (AT, "7", "4711", "spring")


def test_a_row_may_be_one_event(tmp_path: Path) -> None:
    head = "ts,user_id,item_id,event\n"
    rows = [GOOD.replace(",1\n", f",{kind}\n") for kind in ("click", "Impression", "exposure")]
    kinds = [type(event).__name__ for event in events_of(log_of(tmp_path, head + "".join(rows)))]
    assert kinds == ["Click", "Impression", "Exposure"]
    log = log_of(tmp_path, head + rows[0] + rows[0].replace("click", "purchase"))
    assert refusals_of(log) == {3: "event: none of impression, click, exposure"}


def test_every_row_may_be_a_click(tmp_path: Path) -> None:
    text = "ts,user_id,item_id\n2024-01-01,ann,shoe\n"
    assert [type(e) for e in events_of(log_of(tmp_path, text, Layout(kind="click")))] == [Click]
    with pytest.raises(ClickLogUnavailable, match="--kind click"):
        events_of(log_of(tmp_path, text))


def json_lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


ROW = {"ts": "2024-01-01T00:00:00Z", "user_id": 1, "item_id": 4711, "click": 1}


def test_json_lines_may_have_numbers_as_ids(tmp_path: Path) -> None:
    log = log_of(tmp_path, json_lines(ROW, ROW | {"click": False, "context": {"page": "home"}}))
    events = events_of(log)
    assert [(event.user_id, event.item_id) for event in events] == [("1", "4711")] * 3
    assert events[2].context == {"page": "home"}


def test_a_parquet_file_with_gaps_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame([ROW, ROW | {"item_id": None}, ROW])
    frame["ts"] = pd.to_datetime(["2024-01-01"] * 3)
    frame.to_parquet(tmp_path / "clicks.parquet")
    log = ClickLog.of(tmp_path / "clicks.parquet")
    events = events_of(log)
    assert [event.item_id for event in events] == ["4711"] * 4
    assert events[0].ts == AT
    assert [row.line for row in log.refusals] == [2]


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    assert len(events_of(log_of(tmp_path, gzip.compress((HEAD + GOOD * 2).encode())))) == 4


LATER = "2199-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (GOOD.replace("2024-01-01T00:00:00Z", "soon"), "ts: not a moment"),
        (GOOD.replace("2024-01-01T00:00:00Z", ""), "ts: Field required"),
        (GOOD.replace("2024-01-01T00:00:00Z", LATER), "ts: .* is later than"),
        (GOOD.replace("ann", ""), "user_id: Field required"),
        (GOOD.replace("ann", "a" * 129), "user_id: .*at most 128"),
        (GOOD.replace(",1\n", ",often\n"), "click: neither 0 nor 1"),
        (GOOD.replace(",1\n", ",nan\n"), "click: neither 0 nor 1"),
        (GOOD.replace(",1\n", ",2\n"), "click: neither 0 nor 1"),
        ("1,2\n", "2 fields, and the first line has 4"),
        (GOOD.replace("ann", "a" * 70_000), "longer than 65536 bytes"),
    ],
)
def test_a_row_that_is_no_event_is_named_and_the_rest_goes_in(
    row: str, reason: str, tmp_path: Path
) -> None:
    log = log_of(tmp_path, HEAD + GOOD + row + GOOD)
    assert len(events_of(log)) == 4
    [refused] = log.refusals
    assert refused.line == 3
    assert pd.Series([refused.reason]).str.match(reason).all()


def test_lines_count_where_a_field_spans_several(tmp_path: Path) -> None:
    spanning = GOOD.replace("ann", '"an\nn"')
    assert refusals_of(log_of(tmp_path, HEAD + spanning + "x\n" + GOOD)).keys() == {4}


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    log = log_of(tmp_path, (HEAD + GOOD + GOOD).encode() + GOOD.encode().replace(b"ann", b"\xff"))
    assert refusals_of(log).keys() == {4}


@pytest.mark.parametrize("row", ["{", "[1]", '{"ts": NaN}', '{"a":' * 5_000])
def test_a_line_of_json_that_is_no_event_is_refused(row: str, tmp_path: Path) -> None:
    assert refusals_of(log_of(tmp_path, json_lines(ROW) + row + "\n")).keys() == {2}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "its first line is empty"),
        ("a,b\n1,2\n", "no column ts; where it has another name: --map ts=NAME"),
        (HEAD + "x,ann,shoe,1\n" * 3, "all of the first 3 rows are refused; line 2: ts:"),
        (HEAD + "x,ann,shoe,1\n" * 5_000, "all of the first 1,000 rows"),
        ("[\n{}]", "one object a line"),
        (gzip.compress(b"x" * 9_999, mtime=0)[:20], "cannot be read"),
        (b"PAR1 and then nothing", "cannot be read"),
    ],
)
def test_a_file_that_is_no_click_log_says_why(
    text: str | bytes, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ClickLogUnavailable, match=complaint):
        events_of(log_of(tmp_path, text))


def test_a_file_that_is_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClickLogUnavailable, match=r"nothing\.csv"):
        ClickLog.of(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("layout", "complaint"),
    [
        ({"columns": {"usr": "uid"}}, "no field is called usr: there are ad_id"),
        ({"separator": "::"}, "one character"),
        ({"zone": "Mars/Base"}, "no time zone"),
        ({"columns": {"ts": "a..b"}}, "--map ts"),
    ],
)
def test_a_layout_that_cannot_be_says_why(
    layout: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UnknownLayout, match=complaint):
        log_of(tmp_path, HEAD, Layout(**layout))


OWN = {"type": "tap", "uid": 7, "at": 1_704_067_200_000, "items": [{"sku": 12}], "agent": "Firefox"}
SHOP = EventSettings.model_validate(
    {
        "fields": {
            "user_id": "uid",
            "ts": {"path": "at", "unit": "ms"},
            "item_id": "items.0.sku",
            "variant": {"value": "web"},
        },
        "kind": {"path": "type", "click": ["tap"], "impression": ["view"]},
        "drop": [{"field": "agent", "matches": "(?i)bot"}],
    }
)


def test_own_events_read_as_the_settings_tell(tmp_path: Path) -> None:
    rows = json_lines(
        OWN, OWN | {"type": "view"}, OWN | {"agent": "GoogleBot"}, OWN | {"type": "purchase"}
    )
    log = log_of(tmp_path, rows, Layout(events=SHOP))
    clicked, shown = events_of(log)
    assert isinstance(clicked, Click)
    assert (clicked.user_id, clicked.item_id, clicked.ts) == ("7", "12", AT)
    assert shown.variant == "web"
    assert log.dropped == {"agent": 1, "kind": 1}


def test_what_is_told_of_the_file_goes_before_the_settings(tmp_path: Path) -> None:
    rows = json_lines(OWN | {"at": 1_704_067_200, "who": "ann"})
    [event] = events_of(log_of(tmp_path, rows, Layout({"user_id": "who"}, unit="s", events=SHOP)))
    assert (event.user_id, event.ts) == ("ann", AT)


def test_a_table_is_not_read_as_the_payloads_of_the_shop(tmp_path: Path) -> None:
    assert len(events_of(log_of(tmp_path, HEAD + GOOD, Layout(events=SHOP)))) == 2
