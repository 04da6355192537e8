"""Moments of any spelling are the same moment in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.stream.moments import NoMoment, NoTimeZone, OutOfTime, TimeUnit, moment

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
MOMENTS = st.datetimes(datetime(1973, 6, 1), datetime(2199, 12, 31), timezones=st.just(UTC))


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


@given(MOMENTS)
def test_every_unit_tells_the_same_moment(at: datetime) -> None:
    count = microseconds(at)
    assert moment(count, "us") == at
    assert moment(count * 1000, "ns") == at
    assert moment(str(count), "us") == at
    assert moment(at.isoformat()) == at
    assert moment(at.astimezone(BERLIN)) == at
    assert abs(moment(count / 1000, "ms") - at) <= timedelta(microseconds=50)


@pytest.mark.parametrize("zone", [None, BERLIN])
@pytest.mark.parametrize(
    "value",
    [
        *(1_704_067_200, 1_704_067_200_000, 1.7e9, 0, -5, 20260102),
        *("1704067200", " 1704067200 ", "20260102", "2026", "1.7e9", "1704067200.5", "+17", "-5"),
    ],
)
def test_a_number_needs_a_unit_and_the_setting_is_named(value: Any, zone: Any) -> None:
    with pytest.raises(NoMoment, match=r"unit in \[events\.fields\] ts.*--unit ms"):
        moment(value, zone=zone)


@pytest.mark.parametrize("value", ["1_704_067_200", "nan", "inf", "٢٠٢٦٠١٠٢", "0x10", "", " "])
def test_text_that_is_no_plain_number_is_none(value: str) -> None:
    with pytest.raises(NoMoment, match="not a moment"):
        moment(value, "s")


NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-01-02T12:00:00Z", "2026-01-02t12:00Z", "2026-01-02 12:00:00 UTC", "20260102T12Z"),
        *("2026-01-02 12:00:00 +0000", "2026-W01-5T12:00:00Z", " 2026-01-02T12:00:00,0Z "),
        *("2026-01-02 12:00:00 Z", "2026-01-02T13:30:00+01:30", "2026W015 12Z"),
    ],
)
def test_a_moment_of_iso_8601_may_be_written_in_several_ways(text: str) -> None:
    assert moment(text, zone=BERLIN) == NOON


@pytest.mark.parametrize(
    "text",
    [
        *("2026-01-02x12:00:00Z", "2026-01-02_12:00:00Z", "2026-01-02\t12:00:00Z"),
        *("2026-01-02512:00:00Z", "2026-01-02\u00a012:00:00Z", "2026-01-02  2:00:00Z"),
        *("20260102x12:00:00Z", "2026-W01-5x12:00:00Z", "2026W01x12", "2026W015712"),
        *("2026-01-02T12:00:00x+01:00", "2026-01-02T12:00:00.+01:00", "2026-01-02T12:00:00\tZ"),
        # A zone after a day is no time of the day.
        *("2026-01-02+01:00", "2026-01-02-05:00", "2026-01-02 UTC"),
    ],
)
def test_between_day_time_and_zone_stands_nothing_else_than_iso_8601_has(text: str) -> None:
    with pytest.raises(NoMoment, match="ISO 8601 is wanted"):
        moment(text, zone=BERLIN)


@given(MOMENTS.map(lambda at: at.replace(tzinfo=None)), st.characters())
def test_only_t_or_a_space_stands_before_the_time(naive: datetime, mark: str) -> None:
    text = naive.isoformat(mark)
    if mark in "Tt ":
        assert moment(text, zone=UTC) == naive.replace(tzinfo=UTC)
    else:
        with pytest.raises(NoMoment):
            moment(text, zone=UTC)


@given(MOMENTS.map(lambda at: at.replace(tzinfo=None)))
def test_a_moment_without_a_zone_is_in_the_one_told(naive: datetime) -> None:
    found = moment(naive.isoformat(), zone=BERLIN)
    # In UTC: two zones never agree on an hour that a clock skips. A text has no fold.
    assert found == naive.replace(tzinfo=BERLIN, fold=0).astimezone(UTC)
    assert found.tzinfo is UTC
    with pytest.raises(NoTimeZone):
        moment(naive.isoformat())


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.datetimes(),
    st.lists(st.none()),
)


@given(ANYTHING, st.sampled_from([None, "iso", "s", "ms", "us", "ns"]))
def test_anything_else_is_refused(value: Any, unit: TimeUnit | None) -> None:
    try:
        found = moment(value, unit)
    except NoMoment:
        return
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "unit"), [(1e300, "s"), (10**30, "ms"), (-(10**18), "s"), ("9" * 30, "ns")]
)
def test_a_number_that_no_calendar_holds_is_out_of_time(value: Any, unit: TimeUnit | None) -> None:
    with pytest.raises(OutOfTime):
        moment(value, unit)


@pytest.mark.parametrize(("value", "unit"), [("5", "iso"), (5, "iso"), ("soon", "ms"), (True, "s")])
def test_what_is_not_in_the_unit_is_no_moment(value: Any, unit: TimeUnit) -> None:
    with pytest.raises(NoMoment):
        moment(value, unit)
