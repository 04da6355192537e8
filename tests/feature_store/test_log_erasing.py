"""Users out of the event log while others append to it and merge its files."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from adloom.feature_store.event_log import EventLog
from tests.feature_store.test_taking_back import events

_GOES = "ann-o'neill/7"


def test_nothing_of_others_is_lost_or_doubled_while_files_are_merged(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log, made = EventLog(folder), events(400)
    for start in range(0, 200, 20):
        log.append(made[start : start + 20])
    stop = threading.Event()

    def merge() -> None:
        while not stop.is_set():
            with contextlib.suppress(CommitFailedError):  # another had these files
                DeltaTable(folder).optimize.compact()

    def append() -> None:
        later = EventLog(folder)
        rest = [event for event in made[200:] if event.user_id != _GOES]
        for start in range(0, len(rest), 5):
            later.append(rest[start : start + 5])
        later.close()

    threads = [threading.Thread(target=work) for work in (merge, append)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        log.erase_users([_GOES])
    threads[1].join()
    stop.set()
    threads[0].join()
    log.erase_users([_GOES])
    expected = Counter(event.offset for event in made if event.user_id != _GOES)
    found = Counter(
        offset
        for rows in EventLog(folder).columns(["offset"])
        for offset in rows.column("offset").to_pylist()
    )
    assert found == expected
    assert log.of_users([_GOES]) == []
    # Readers are told the same of each file as before.
    assert log.ends() == (
        min(event.ts for event in made if event.user_id != _GOES),
        max(event.ts for event in made if event.user_id != _GOES),
    )


def test_a_reader_that_begins_before_reads_once_more(tmp_path: Path) -> None:
    log, other, made = EventLog(tmp_path / "log"), EventLog(tmp_path / "log"), events(100)
    log.append(made)
    table = log._table
    files = table._files_now()
    assert files is not None
    other.erase_users([_GOES])
    table._files_now = iter([files, *[table._files_now()] * 9]).__next__  # type: ignore[method-assign]
    assert len(log.read(users=["bob"])) == len({e.event_id for e in made if e.user_id == "bob"})


def test_what_a_killed_process_has_written_beside_goes_with_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = EventLog(folder)
    log.append(events(100))
    left = folder / "erased" / "of-before" / "laid=by_day" / "part.parquet"
    left.parent.mkdir(parents=True)
    [file, *_] = [path for path in folder.rglob("*.parquet") if "by_day" in str(path)]
    left.write_bytes(file.read_bytes())
    log.erase_users([_GOES])
    assert not left.exists()
    for path in folder.rglob("*.parquet"):
        assert _GOES not in pq.read_table(path).column("user_id").to_pylist()


def test_what_the_table_tells_of_files_names_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = EventLog(folder)
    # Of a release that told it: an old entry may name the first and the last user of a file.
    log.append([event for event in events(100) if event.user_id == "bob"])
    DeltaTable(folder).alter.set_table_properties(
        {"delta.dataSkippingStatsColumns": "kind,ts,user_id,topic,topic_id,partition,offset,place"}
    )
    log.erase_users([_GOES])
    log.append(events(50))
    newest = sorted((folder / "_delta_log").glob("*.json"))[-1].read_text()
    assert "offset" in newest
    assert _GOES not in newest
