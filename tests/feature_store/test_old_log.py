"""The event log of an earlier release: refused, then taken over, whole and once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from adloom.feature_store import old_log
from adloom.feature_store.backend import LogDamaged
from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.logged import table_of
from adloom.feature_store.old_log import OldLog, take_over_log
from adloom.feature_store.progress import Reached
from adloom.feature_store.settings import FeatureStoreSettings, LogSettings
from adloom.feature_store.store import FeatureStore
from tests.sample_events import logged


def old_file(home: Path, name: str, events: Sequence[LoggedEvent]) -> Path:
    folder = home / "log"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table_of(events), folder / name)
    return folder / name


def records_of(log: EventLog) -> list[LoggedEvent]:
    return [event for batch in log.batches() for event in batch]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    old_file(tmp_path, "1-00000000000000000001-aa-bb.parquet", [logged(n, n) for n in range(6)])
    old_file(tmp_path, "0-00000000000000000002-cc.parquet", [logged(n, n) for n in range(4, 9)])
    (tmp_path / "log" / "1-00000000000000000001-aa-bb.clicks").write_bytes(b"")
    return tmp_path


def test_a_home_of_an_earlier_release_is_refused_and_stays(home: Path) -> None:
    before = sorted(home.rglob("*"))
    with pytest.raises(OldLog, match="adloom migrate"):
        FeatureStore.open(FeatureStoreSettings(), home)
    assert sorted(home.rglob("*")) == before


def test_all_of_it_is_taken_over_and_kafka_adds_nothing_again(home: Path) -> None:
    told = []
    assert take_over_log(home, LogSettings(), lambda rows, total: told.append((rows, total))) == 11
    assert told[-1] == (11, 11)
    assert not list((home / "log").iterdir())
    with FeatureStore.open(FeatureStoreSettings(), home) as store:
        again = [logged(n, n) for n in range(7, 12)]
        store.log.append(again, [Reached("test.clicks", 0, "first", 11)])
        assert [event.offset for event in records_of(store.log)] == list(range(12))
        assert store.log.read()["offset"].tolist() == list(range(12))
    assert take_over_log(home, LogSettings()) == 0


def test_killed_it_goes_on_where_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_log, "_ROWS_OF_A_COMMIT", 2)

    def kill(rows: int, total: int) -> None:
        if rows >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_over_log(home, LogSettings(), kill)
    assert len(list((home / "log").glob("*.parquet"))) == 2
    with pytest.raises(OldLog):
        FeatureStore.open(FeatureStoreSettings(), home)
    take_over_log(home, LogSettings())
    log = EventLog(home / "events")
    assert log.records() == 11
    assert [event.offset for event in records_of(log)] == list(range(9))


def test_a_damaged_file_is_named_and_nothing_is_removed(home: Path) -> None:
    damaged = home / "log" / "0-00000000000000000002-cc.parquet"
    damaged.write_bytes(b"PAR1 no rows PAR1")
    with pytest.raises(LogDamaged, match="0-00000000000000000002-cc"):
        take_over_log(home, LogSettings())
    assert len(list((home / "log").glob("*.parquet"))) == 2
