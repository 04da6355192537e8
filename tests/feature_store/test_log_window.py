"""Reading a window of the log: what it opens, and that it tells the same as reading all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adloom.feature_store.backend import LogDamaged
from adloom.feature_store.event_log import EventLog
from adloom.feature_store.log_window import COPIES_APART
from tests.sample_events import at, logged

DAY = timedelta(days=1).total_seconds()


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(tmp_path / "log")


def test_a_window_opens_no_file_beside_it(log: EventLog, tmp_path: Path) -> None:
    log.append([logged(0)])
    [old] = (tmp_path / "log").glob("laid=by_day/*/*.parquet")
    log.append([logged(1, 5 * DAY), logged(2, 6 * DAY, kind="impression")])
    assert log.ends() == (at(0), at(6 * DAY))
    content = bytearray(old.read_bytes())
    content[4:40] = b"\0" * 36  # the rows; what the file says of itself lies at its end
    old.write_bytes(content)
    assert log.read(since=at(4 * DAY))["offset"].tolist() == [1, 2]
    assert log.read("impression", since=at(4 * DAY))["offset"].tolist() == [2]
    with pytest.raises(LogDamaged):
        log.read()


def test_columns_and_users_are_those_asked_for(log: EventLog) -> None:
    log.append([logged(n, -n, user_id=user, ad_id=user) for n, user in enumerate(("a", "b", "a"))])
    read = log.read(columns=["offset", "ad_id"], users=["a", "c"])
    assert list(read.columns) == ["offset", "ad_id"]
    assert read["offset"].tolist() == [2, 0]
    assert log.read(users=[]).empty


def test_a_copy_of_a_neighbouring_time_does_not_count_in_the_window(log: EventLog) -> None:
    near = (COPIES_APART / 2).total_seconds()
    log.append([logged(0, 0, event_id="same"), logged(1, near, event_id="same")])
    log.append([logged(2, near, event_id="other"), logged(3, 9 * DAY, event_id="other")])
    assert log.read(since=at(near))["event_id"].tolist() == ["other"]
    assert log.read(since=at(8 * DAY))["offset"].tolist() == [3]


def test_events_of_one_moment_are_told_by_their_ids(log: EventLog) -> None:
    log.append([logged(n, 5, event_id=name) for n, name in enumerate("cab")])
    log.append([logged(3, 4, event_id="z")])
    assert log.read(columns=["event_id"])["event_id"].tolist() == ["z", "a", "b", "c"]


def test_clicks_of_users_are_read_without_what_lies_between_them(
    log: EventLog, tmp_path: Path
) -> None:
    days = [30 * DAY * n for n in range(4)]
    for n, day in enumerate(days):
        log.append([logged(n, day, ad_id="a"), logged(n, day, "impression", user_id="bob")])
    for file in (tmp_path / "log").glob("laid=by_day/*/*.parquet"):
        file.write_bytes(b"PAR1" + b"\0" * 64)
    read = log.read("click", columns=["ts", "ad_id"], users=["ann"])
    assert read["ts"].tolist() == list(map(at, days))
    assert read["ad_id"].tolist() == ["a"] * 4
    assert log.read("click", columns=["ts"], users=["bob"]).empty


def test_events_of_many_days_at_once_are_few_files(log: EventLog, tmp_path: Path) -> None:
    log.append([logged(n, n * DAY, "impression") for n in range(300)])
    assert len(list((tmp_path / "log").glob("laid=by_day/*/*.parquet"))) == 1
    read = log.read(since=at(100 * DAY), until=at(103 * DAY))
    assert read["offset"].tolist() == [100, 101, 102]
