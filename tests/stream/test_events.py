"""Bytes become events, or are refused with a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adloom.stream.dead_letter import DeadLetter
from adloom.stream.events import MAX_PAYLOAD_BYTES, Click, InvalidEvent, Kind, Reason, encode, parse
from tests.sample_events import START, click, exposure, impression

GOOD = {"event_id": "e1", "ts": "2026-03-01T12:00:00Z", "user_id": "ann", "item_id": "shoe"}


def payload(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def refusal(data: bytes) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        parse("click", data, START)
    return caught.value


def test_an_event_comes_back_as_it_was_sent() -> None:
    sent = click("e1", ad_id="ad-1", variant="b", propensity=0.5, position=3, context={"k": [1]})
    assert parse("click", encode(sent), START) == sent


@pytest.mark.parametrize(
    ("kind", "event"),
    [("click", click("a")), ("impression", impression("a")), ("exposure", exposure("a"))],
)
def test_each_kind_is_read_as_its_own_type(kind: Kind, event: Any) -> None:
    assert type(parse(kind, encode(event), START)) is type(event)


def test_fields_that_adloom_does_not_know_are_kept() -> None:
    event = parse("click", payload(session={"id": 7}), START)
    assert event.model_extra == {"session": {"id": 7}}
    assert json.loads(encode(event))["session"] == {"id": 7}


def test_time_is_kept_in_utc() -> None:
    event = parse("click", payload(ts="2026-03-01T13:30:00.123456+01:30"), START)
    assert event.ts == START + timedelta(microseconds=123_456)
    assert event.ts.tzinfo is UTC


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x" * (MAX_PAYLOAD_BYTES + 1), Reason.TOO_LARGE),
        (b"", Reason.NOT_JSON),
        (b"{", Reason.NOT_JSON),
        (b"\xff\xfe\x00", Reason.NOT_JSON),
        (b'{"a":' * 10_000, Reason.NOT_JSON),
        (payload(user_id="\ud800"), Reason.NOT_JSON),
        (b"[]", Reason.WRONG_TYPE),
        (b"{}", Reason.MISSING_FIELD),
        (payload(user_id=None), Reason.WRONG_TYPE),
        (payload(user_id=7), Reason.WRONG_TYPE),
        (payload(ts="yesterday"), Reason.WRONG_TYPE),
        (payload(ts="2026-03-01T12:00:00"), Reason.NO_TIME_ZONE),
        (payload(ts="1969-12-31T23:59:59Z"), Reason.OUT_OF_RANGE),
        (payload(ts="0001-01-01T00:00:00+23:59"), Reason.OUT_OF_RANGE),
        (payload(ts="2026-03-01T12:05:01Z"), Reason.FUTURE_TIMESTAMP),
        (payload(ts="9999-12-31T23:59:59-23:59"), Reason.FUTURE_TIMESTAMP),
        (payload(user_id=""), Reason.OUT_OF_RANGE),
        (payload(item_id="i" * 129), Reason.OUT_OF_RANGE),
        (payload(propensity=0), Reason.OUT_OF_RANGE),
        (payload(propensity=1.01), Reason.OUT_OF_RANGE),
        (payload(propensity=float("nan")), Reason.OUT_OF_RANGE),
        (payload(position=-1), Reason.OUT_OF_RANGE),
        (payload(position=1.5), Reason.WRONG_TYPE),
        (payload(context=[]), Reason.WRONG_TYPE),
        (payload(version=2), Reason.UNSUPPORTED_VERSION),
        (payload(version="2.0"), Reason.UNSUPPORTED_VERSION),
        (payload(version="one"), Reason.UNSUPPORTED_VERSION),
        (payload(version=-1), Reason.UNSUPPORTED_VERSION),
        (payload(version=None), Reason.UNSUPPORTED_VERSION),
        (payload(version="1.1", position=-1), Reason.OUT_OF_RANGE),
        (b'{"version": 0, "event_id": "e", "user_id": "u", "item_id": "i"}', Reason.MISSING_FIELD),
        (b'{"version": 2}', Reason.UNSUPPORTED_VERSION),
    ],
)
def test_what_is_not_an_event_is_refused_with_a_reason(data: bytes, reason: Reason) -> None:
    assert refusal(data).reason is reason


@pytest.mark.parametrize(
    "ts",
    [
        *("20260102", "1700000000", " 1700000000 ", "1700000000.5", "1.7e9", "+1700000000", "-5"),
        *("00000001700000000", "1700000000.00000000", "2026", "202601", "2026-01-02", "2026-01"),
        *(1_700_000_000, 1_700_000_000.5, 0, True, None, [], {}, [2026, 1, 2]),
        *("20260102T101112Z", "2026-W01-1", "2026-W01-1T10:00:00Z", "2026-002T10:11:12Z"),
        *("2026-01-02T10Z", "2026-01-02T10+01:00", "2026-01-02T101112Z", "2026-01-02T24:00:00Z"),
        *("2026-01-02T24:00Z", " 2026-01-02T10:11:12Z", "2026-01-02T10:11:12Z ", "now", "NaN"),
        *("2026-01-02T10:11:60Z", "2026-01-02T10:11:12+24:00", "2026-01-02T10:11:12 UTC"),
        *("2026-01-02T10:11:12Z\n", "2026-01-02T10:11:12zz", "2026-01-02T10:11:12 Z"),
        *("2026-01-02T10:11:12 +01:00", "2026-01-02T10:11:12.Z", "2026-01-02T10:11:12_+0100"),
        *("2026-01-02x10:11:12Z", "2026-01-02_10:11:12Z", "2026-01-02\t10:11:12Z"),
        *("2026-01-02510:11:12Z", "2026-01-02\u00a010:11:12Z", "2026-01-02  0:11:12Z"),
    ],
)
def test_a_moment_is_iso_8601_with_a_zone_and_nothing_else(ts: Any) -> None:
    assert refusal(payload(ts=ts)).reason is Reason.WRONG_TYPE


@pytest.mark.parametrize(
    "ts",
    [
        *("2026-01-02T10:11:00Z", "2026-01-02T10:11Z", "2026-01-02 10:11:00Z"),
        *("2026-01-02t10:11:00z", "2026-01-02T11:41:00+01:30", "2026-01-02T11:41:00+0130"),
        *("2026-01-02T10:11:00.000000000Z", "2026-01-02T10:11:00-00:00"),
    ],
)
def test_a_moment_may_be_written_in_several_ways(ts: str) -> None:
    found = parse("click", payload(ts=ts), START).ts
    assert (found, found.tzinfo) == (datetime(2026, 1, 2, 10, 11, tzinfo=UTC), UTC)


def test_the_schema_tells_that_a_moment_is_one() -> None:
    told = Click.model_json_schema()["properties"]["ts"]
    assert (told["type"], told["format"]) == ("string", "date-time")


def test_a_newer_minor_version_only_adds_fields_which_are_kept() -> None:
    event = parse("click", payload(version="1.7", basket=[1, 2]), START)
    assert (event.version, event.model_extra) == (1, {"basket": [1, 2]})


def test_an_older_version_is_upgraded() -> None:
    old: dict[str, Any] = {name: value for name, value in GOOD.items() if name != "ts"}
    old |= {"version": 0, "timestamp": 1_772_366_400_250, "campaign": "spring"}
    event = parse("click", json.dumps(old).encode(), START)
    assert event.ts == START + timedelta(milliseconds=250)
    assert event.model_extra == {"campaign": "spring"}
    assert parse("click", encode(event), START) == event


@pytest.mark.parametrize(
    "timestamp",
    ["noon", None, True, False, 1e300, float("nan"), float("inf"), -float("inf"), -1e18, [1], "5"],
)
def test_an_older_version_without_a_moment_is_refused(timestamp: Any) -> None:
    with pytest.raises(InvalidEvent, match="ts: Field required"):
        parse("click", payload(version=0, timestamp=timestamp).replace(b'"ts"', b'"at"'), START)


def test_a_clock_may_be_five_minutes_fast() -> None:
    assert parse("click", payload(ts="2026-03-01T12:05:00Z"), START)


@pytest.mark.parametrize("field", ["event_id", "user_id", "item_id", "ad_id", "variant"])
def test_an_id_that_postgres_cannot_keep_is_refused_by_name(field: str) -> None:
    found = refusal(payload(**{field: "a\0b"}))
    assert (found.reason, found.field) == (Reason.OUT_OF_RANGE, field)
    assert found.detail == f"{field}: it holds the character NUL"
    assert parse("click", payload(**{field: "a\nb"}), START)


def test_a_refusal_names_the_field() -> None:
    assert refusal(payload(position=-1)).detail.startswith("position: ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
event_like = st.fixed_dictionaries(
    {},
    optional={name: json_values | st.just(GOOD.get(name)) for name in Click.model_fields}
    | {"version": st.sampled_from([0, 1, "0.5", "1.2"]) | json_values, "timestamp": json_values},
).map(lambda changes: payload(**changes))


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()) | event_like)
@example(b'{"context": ' + b"9" * 5000 + b"}")
@settings(deadline=None)  # a busy machine is no error
def test_any_bytes_are_an_event_or_refused(data: bytes) -> None:
    try:
        event = parse("click", data, datetime.now(UTC))
    except InvalidEvent as error:
        letter = DeadLetter.of(error, "t", 0, 0, data)
        assert DeadLetter.model_validate_json(letter.encode()) == letter
    else:
        again = parse("click", encode(event), datetime.now(UTC))
        assert encode(again) == encode(event)  # fields that are null are left out


def test_a_huge_payload_fits_into_a_kafka_record() -> None:
    error = InvalidEvent(Reason.TOO_LARGE, "detail")
    letter = DeadLetter.of(error, "t", 3, 4, b"\x00" * 5_000_000)
    assert letter.payload_bytes == 5_000_000
    assert len(letter.encode()) < 1_000_000
