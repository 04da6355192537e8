"""Which streams the log has is told by names: no event is read for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from adloom.feature_store.backend import LogUnavailable
from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.log_disk import files_of_log
from adloom.feature_store.log_streams import LoggedStream
from adloom.feature_store.progress import Reached
from tests.sample_events import logged


def append(
    log: EventLog, topic: str, offsets: range, *, life: str = "first", noted: bool = True
) -> None:
    events = [logged(n, n, event_id=f"{topic}-{n}", topic=topic, topic_id=life) for n in offsets]
    log.append(events, reached(events) if noted else [])


def reached(events: list[LoggedEvent]) -> list[Reached]:
    last = events[-1]
    return [Reached(last.topic, last.partition, last.topic_id, last.offset)]


def named(folder: Path) -> list[tuple[str, str, int]]:
    return [(s.topic, s.topic_id, s.last) for s in EventLog(folder).streams()]


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    log = EventLog(tmp_path)
    append(log, "late", range(5), life="one")
    append(log, "early", range(7, 9))
    append(log, "late", range(5, 6), life="one")
    append(log, "late", range(3), life="two")
    return log


EVERY = [("late", "one", 5), ("early", "first", 8), ("late", "two", 2)]


def test_streams_are_told_in_the_order_of_their_first_events(log: EventLog, tmp_path: Path) -> None:
    assert log.streams()[0] == LoggedStream("late", "one", 0, 5)
    assert named(tmp_path) == EVERY


def test_no_event_is_read_for_them(log: EventLog, tmp_path: Path) -> None:
    for file in files_of_log(tmp_path):
        file.unlink()
    assert named(tmp_path) == EVERY


def test_a_stream_of_which_nothing_was_noted_is_told_by_its_events(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    append(log, "files", range(4), noted=False)
    append(log, "files", range(4, 6), noted=False)
    assert named(tmp_path) == [("files", "first", 5)]


def test_staged_events_name_their_streams(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    append(log, "read", range(2))
    parts = [[logged(n, n, topic=topic)] for n in range(3) for topic in ("read", "staged")]
    with log.staged(parts) as put_in:
        put_in()
    assert [topic for topic, *_ in named(tmp_path)] == ["read", "staged"]
    names = DeltaTable(tmp_path).to_pyarrow_table(filters=[("laid", "=", "of_streams")])
    assert sorted(names.column("topic").to_pylist()) == ["read", "staged"]


def test_a_log_of_before_is_told_whole_and_names_all_with_its_next_events(
    log: EventLog, tmp_path: Path
) -> None:
    DeltaTable(tmp_path).delete("laid = 'of_streams'")
    assert named(tmp_path) == EVERY
    append(EventLog(tmp_path), "new", range(1))
    for file in files_of_log(tmp_path):
        file.unlink()
    assert named(tmp_path) == [*EVERY, ("new", "first", 0)]


def test_a_commit_that_is_tried_again_names_all_the_same(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    DeltaTable(tmp_path).delete("laid = 'of_streams'")
    again, tries = EventLog(tmp_path), iter([False])
    commit = again._table._commit
    monkeypatch.setattr(
        again._table, "_commit", lambda *given: next(tries, True) and commit(*given)
    )
    append(again, "new", range(1))
    for file in files_of_log(tmp_path):
        file.unlink()
    assert named(tmp_path) == [*EVERY, ("new", "first", 0)]


def test_another_writer_names_no_stream_again(log: EventLog, tmp_path: Path) -> None:
    before = names_of(tmp_path)
    append(EventLog(tmp_path), "early", range(9, 10))
    assert names_of(tmp_path) == before
    assert named(tmp_path)[1] == ("early", "first", 9)


def names_of(folder: Path) -> int:
    return DeltaTable(folder).to_pyarrow_table(filters=[("laid", "=", "of_streams")]).num_rows


def test_a_log_that_was_removed_meanwhile_names_its_streams_anew(
    log: EventLog, tmp_path: Path
) -> None:
    log.close()
    (tmp_path / "_delta_log").rename(tmp_path / "away")
    with pytest.raises(LogUnavailable):
        log.streams()
    append(log, "early", range(2))
    assert named(tmp_path) == [("early", "first", 1)]
