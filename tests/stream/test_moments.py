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


@given(MOMENTS.map(lambda at: at.replace(tzinfo=None)))
def test_a_moment_without_a_zone_is_in_the_one_told(naive: datetime) -> None:
    found = moment(naive.isoformat(), zone=BERLIN)
    assert found == naive.replace(tzinfo=BERLIN)
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
