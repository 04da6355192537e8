"""One definition of a duplicate, whatever the order of files and however much came between."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adloom.feature_store.event_log import EventLog, LoggedEvent
from tests.sample_events import at, logged


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(tmp_path / "log")


def records_of(log: EventLog) -> list[LoggedEvent]:
    return [event for batch in log.batches() for event in batch]


def test_an_event_id_of_two_users_is_two_events(log: EventLog) -> None:
    log.append([logged(0, event_id="same", user_id=user) for user in ("ann", "bob", "ann")])
    assert log.read()["user_id"].tolist() == ["ann", "bob"]


def test_the_first_appended_counts_however_files_were_merged(log: EventLog) -> None:
    log.append([logged(0, event_id="same", item_id="first", topic_id="old")])
    for n in range(1, 40):  # the first 32 become one file
        log.append([logged(n, event_id=f"e{n}")])
    log.append([logged(0, event_id="same", item_id="second", topic_id="new")])
    log.close()
    same = log.read()[lambda rows: rows["event_id"] == "same"]
    assert same["item_id"].tolist() == ["first"]


def test_the_lowest_offset_of_a_partition_counts(log: EventLog) -> None:
    log.append([logged(7, event_id="same", item_id="later")])
    log.append([logged(3, event_id="same", item_id="first")])
    assert log.read()["item_id"].tolist() == ["first"]


def test_what_happened_in_the_window_by_a_copy_alone_is_not_in_it(log: EventLog) -> None:
    log.append([logged(0, 5, event_id="same"), logged(1, 50, event_id="same")])
    log.append([logged(2, 51, event_id="other")])
    assert log.read(since=at(20))["event_id"].tolist() == ["other"]
    assert log.read(until=at(20))["ts"].tolist() == [at(5)]


def test_records_that_were_appended_late_are_told_in_their_place(log: EventLog) -> None:
    log.append([logged(5), logged(6), logged(8)])
    log.append([logged(1, topic_id="other"), logged(2), logged(7), logged(5)])
    told = [(event.topic_id, event.offset) for event in records_of(log)]
    first = [("first", offset) for offset in (2, 5, 6, 7, 8)]
    assert told == [*first, ("other", 1)]


def put_in(log: EventLog, *batches: list[LoggedEvent]) -> None:
    with log.staged(batches) as add:
        add()


def test_many_records_reach_the_log_in_one_step_or_not_at_all(
    log: EventLog, tmp_path: Path
) -> None:
    def broken() -> Any:
        yield [logged(0)]
        raise RuntimeError

    with pytest.raises(RuntimeError), log.staged(broken()):
        pass
    with log.staged([[logged(0)]]):
        assert log.read().empty
    assert log.read().empty
    assert [path.name for path in (tmp_path / "log").rglob("*")] == ["_staged", "staging.lock"]
    put_in(log, *([logged(start + n) for n in range(5)] for start in range(0, 20, 5)))
    assert len(log.read()) == log.records() == 20


def test_a_kill_while_many_records_are_staged_adds_none(log: EventLog, tmp_path: Path) -> None:
    (tmp_path / "log" / "_staged").mkdir(parents=True)
    (tmp_path / "log" / "_staged" / "x.staged").write_bytes(b"PAR1 and then it was killed")
    assert log.read().empty
    put_in(log, [logged(0)])
    assert [path.name for path in (tmp_path / "log").rglob("*.staged")] == []
    assert len(log.read()) == 1


def test_many_records_put_in_at_once_keep_their_place(log: EventLog) -> None:
    log.append([logged(0)])
    put_in(log, [logged(n) for n in range(1, 50)])
    for n in range(50, 60):
        log.append([logged(n)])
    assert [event.offset for event in records_of(log)] == list(range(60))


def test_records_of_a_partition_come_by_offset_each_once(log: EventLog) -> None:
    log.append([logged(5), logged(3), logged(3, partition=1), logged(4, topic_id="other")])
    log.append([logged(n) for n in (3, 9, 4)])
    place = ("test.clicks", "first", 0)
    found = [event.offset for batch in log.between(*place, 4, 9) for event in batch]
    assert found == [4, 5]
    assert log.last_offset(*place) == 9
    assert log.last_offset("test.clicks", "other", 0) == 4
    assert log.last_offset("test.clicks", "other", 1) is None
    assert list(log.between("test.clicks", "other", 1, 0, 99)) == []


def test_records_of_an_item_come_with_those_that_count_instead(log: EventLog) -> None:
    log.append([logged(0, event_id="same", item_id="bag"), logged(1, item_id="hat")])
    log.append([logged(2, event_id="same"), logged(3), logged(4, user_id="bob", item_id="hat")])
    assert [event.offset for event in log.of([], ["shoe"])] == [0, 2, 3]
    assert [event.offset for event in log.of(["bob"])] == [4]
    assert log.of([], []) == []


IDENTITIES = st.tuples(
    st.sampled_from(["click", "impression"]), st.sampled_from("ab"), st.integers(0, 4)
)
STREAMS = st.sampled_from([("old", 0), ("new", 0), ("new", 1)])
RECORDS = st.lists(
    st.tuples(STREAMS, st.integers(0, 30), IDENTITIES), max_size=40, unique_by=lambda r: r[:2]
)


def drawn_record(record: Any) -> LoggedEvent:
    (topic_id, partition), offset, (kind, user, event) = record
    more = {"user_id": user, "event_id": f"e{event}", "topic": "t", "item_id": f"i{offset % 7}"}
    return logged(offset, offset, kind, topic_id=topic_id, partition=partition, **more)


def counted(records: Sequence[LoggedEvent]) -> set[LoggedEvent]:
    """What counts, worked out one by one."""
    first: dict[Any, LoggedEvent] = {}
    for event in records:
        key = (event.kind, event.user_id, event.event_id)
        before = first.setdefault(key, event)
        same = (before.topic_id, before.partition) == (event.topic_id, event.partition)
        if same and event.offset < before.offset:
            first[key] = event
    return set(first.values())


@given(RECORDS.map(lambda records: [drawn_record(record) for record in records]), st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_counts_does_not_depend_on_files(
    tmp_path: Path, records: list[LoggedEvent], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, 40), max_size=6)))
    logs = [EventLog(tmp_path / uuid.uuid4().hex) for _ in range(2)]
    for log, parts in zip(logs, ([0, *cuts, 40], [0, 40]), strict=True):
        for start, end in pairwise(parts):
            if start % 2:
                log.append(records[start:end])
            else:
                put_in(log, records[start:end])
    for log in logs:
        frame = log.read()
        found = zip(frame["topic_id"], frame["partition"], frame["offset"], strict=True)
        expected = {(e.topic_id, e.partition, e.offset) for e in counted(records)}
        assert set(found) == expected
        assert len(frame) == len(expected)
        told = records_of(log)
        assert sorted(told) == sorted(records)
        for stream in {(event.topic_id, event.partition) for event in told}:
            offsets = [e.offset for e in told if (e.topic_id, e.partition) == stream]
            assert offsets == sorted(offsets)
    assert records_of(logs[0]) == records_of(logs[1])
