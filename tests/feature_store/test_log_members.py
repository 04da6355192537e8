"""Many members on one log: whatever comes again, or is killed, every record is there once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from adloom.feature_store.backend import LogUnavailable
from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.log_table import LogTable
from adloom.feature_store.progress import Reached
from tests.forking import processes
from tests.sample_events import at, logged

MEMBERS, BATCHES, ROWS = 16, 4, 25


def batch(partition: int, number: int) -> list[LoggedEvent]:
    offsets = range(number * ROWS, (number + 1) * ROWS)
    user = f"user-{partition}"
    return [
        logged(n, n, event_id=f"{partition}-{n}", user_id=user, partition=partition)
        for n in offsets
    ]


def reached(events: list[LoggedEvent]) -> list[Reached]:
    last = events[-1]
    return [Reached(last.topic, last.partition, last.topic_id, last.offset)]


def append_all(folder: Path, partition: int, batches: int, pause: float = 0) -> None:
    log = EventLog(folder)
    for number in range(batches):
        events = batch(partition, number)
        log.append(events, reached(events))
        time.sleep(pause)
    log.close()


def places(folder: Path) -> Counter[tuple[int, int]]:
    return Counter((e.partition, e.offset) for part in EventLog(folder).batches() for e in part)


def test_sixteen_members_neither_lose_nor_double(tmp_path: Path) -> None:
    # Two of them believe that partition 0 is theirs, as after a pause that the group did not wait.
    owners = [*range(MEMBERS - 1), 0]
    members = [
        processes.Process(target=append_all, args=(tmp_path, partition, BATCHES))
        for partition in owners
    ]
    for member in members:
        member.start()
    for member in members:
        member.join()
    assert [member.exitcode for member in members] == [0] * MEMBERS
    every = {(n, offset) for n in range(MEMBERS - 1) for offset in range(BATCHES * ROWS)}
    assert places(tmp_path) == Counter(every)


def test_what_a_killed_member_logged_is_not_logged_again(tmp_path: Path) -> None:
    member = processes.Process(target=append_all, args=(tmp_path, 0, 1_000, 0.01))
    member.start()
    while not EventLog(tmp_path).records():
        time.sleep(0.05)
    member.kill()
    member.join()
    known = max(offset for _, offset in places(tmp_path))
    batches = known // ROWS + 3
    append_all(tmp_path, 0, batches)
    assert places(tmp_path) == Counter((0, offset) for offset in range(batches * ROWS))
    found = EventLog(tmp_path).read("click", columns=["ts"], users=["user-0"])
    assert len(found) == batches * ROWS  # in what histories are made of, too


def test_a_part_of_what_comes_again_is_added(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    first, second = batch(0, 0), batch(0, 1)
    log.append(first[:10], reached(first[:10]))
    renewed = [event._replace(topic_id="renewed") for event in first[:5]]
    log.append([*first, *second], reached(second))
    log.append([*renewed, *first], [*reached(renewed), *reached(first)])
    found = [(e.topic_id, e.offset) for part in log.batches() for e in part]
    every = [*(("first", n) for n in range(2 * ROWS)), *(("renewed", n) for n in range(5))]
    assert found == every


def on_disk(folder: Path) -> int:
    """Clicks that another process would read."""
    return sum(part.num_rows for part in LogTable(folder).all_rows(["offset"]))


def test_a_writer_commits_behind_who_reads_the_stream(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    writer = log.writer(seconds=60)
    first, second = batch(0, 0), batch(0, 1)
    writer.add(first, reached(first))
    assert writer.tend(idle=True) == reached(first)
    writer.add(second, reached(second))
    assert writer.tend(idle=True) == []  # its time has not come
    assert on_disk(tmp_path) == ROWS
    assert writer.waits
    assert len(log.read()) == 2 * ROWS  # who reads here sees what was given
    assert on_disk(tmp_path) == 2 * ROWS
    assert writer.settled() == reached(second)
    assert not writer.waits


def test_what_could_not_be_committed_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.write_text("in the way")
    log = EventLog(folder)
    writer = log.writer(seconds=0)
    events = batch(0, 0)
    writer.add(events, reached(events))
    with pytest.raises((LogUnavailable, OSError)):
        writer.tend(idle=True)
    folder.unlink()
    assert writer.tend(idle=True) == reached(events)
    assert log.read(until=at(ROWS))["offset"].tolist() == list(range(ROWS))


def test_what_waits_for_its_commit_is_read_by_all_of_the_process(tmp_path: Path) -> None:
    events = batch(0, 0)
    writer = EventLog(tmp_path).writer(seconds=60)
    writer.add(events, reached(events))
    assert len(EventLog(tmp_path).read()) == ROWS
    assert len(EventLog(tmp_path / "other").read()) == 0
    writer.close()
