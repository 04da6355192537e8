"""The event log, and histories as they were at a moment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from adloom.feature_store.event_log import EventLog
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore, UserHistory
from tests.sample_events import at, click, logged

COLUMNS = [
    *("kind", "event_id", "ts", "user_id", "item_id", "ad_id", "variant", "propensity"),
    *("position", "topic", "partition", "offset"),
]


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(tmp_path / "log")


def test_an_empty_log_has_the_columns(log: EventLog) -> None:
    read = log.read()
    assert read.empty
    assert set(COLUMNS) <= set(read.columns)


def test_events_come_back_in_order_of_time(log: EventLog) -> None:
    log.append([logged(0, 9), logged(1, 3, propensity=0.5, position=2, variant="b")])
    log.append([logged(2, 5, ad_id="ad-1")])
    read = log.read("click")
    assert read["ts"].tolist() == [at(3), at(5), at(9)]
    assert read["propensity"].tolist()[0] == 0.5
    assert read["ad_id"].tolist()[1] == "ad-1"
    assert read["ad_id"].isna().tolist() == [True, False, True]


def test_kind_and_time_choose(log: EventLog) -> None:
    log.append([logged(n, n) for n in range(6)])
    log.append([logged(n, n, kind="impression") for n in range(6)])
    assert len(log.read()) == 12
    assert log.read("click", since=at(2), until=at(4))["ts"].tolist() == [at(2), at(3)]


def test_an_event_logged_twice_is_read_once(log: EventLog) -> None:
    event = logged(0)
    log.append([event, event._replace(offset=7)])
    log.append([event, logged(0, kind="impression", event_id=event.event_id)])
    assert sorted(log.read()["kind"]) == ["click", "impression"]


def test_a_few_columns_tell_the_same_events(log: EventLog) -> None:
    log.append([logged(n, n, ad_id=f"ad-{n}") for n in range(4)])
    log.append([logged(2, 2, ad_id="again")._replace(offset=9)])
    few, whole = log.read(since=at(1), columns=["ad_id"]), log.read(since=at(1))
    assert few["ad_id"].tolist() == whole["ad_id"].tolist() == ["ad-1", "ad-2", "ad-3"]
    assert "context" not in few.columns


def test_many_batches_are_few_files(log: EventLog, tmp_path: Path) -> None:
    for n in range(70):
        log.append([logged(n, n)])
    log.close()  # merging goes on behind the last batch
    again = EventLog(tmp_path / "log")
    assert len(DeltaTable(tmp_path / "log").file_uris()) < 2 * 16
    assert again.read()["offset"].tolist() == list(range(70))
    assert [event.offset for batch in again.batches() for event in batch] == list(range(70))


def test_batches_come_in_the_order_they_were_appended(log: EventLog) -> None:
    for n in range(70):
        log.append([logged(n, -n)])
    log.close()
    assert [event.offset for batch in log.batches() for event in batch] == list(range(70))


def test_a_batch_comes_back_as_it_was_logged(log: EventLog) -> None:
    full = logged(3, 1.5, ad_id="ad", variant="b", propensity=0.5, position=2, context='{"k": 1}')
    log.append([full, logged(4)])
    assert list(log.batches()) == [[full, logged(4)]]


def test_readers_and_writers_do_not_disturb_each_other(log: EventLog) -> None:
    def write(writer: int) -> None:
        for n in range(24):
            log.append([logged(n, event_id=f"{writer}-{n}")])

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for thread in writers:
        thread.start()
    seen = [0]
    while any(thread.is_alive() for thread in writers):
        seen.append(len(log.read()))
    for thread in writers:
        thread.join()
    assert seen == sorted(seen)
    assert len(log.read()) == 72


def test_a_half_written_file_is_not_read(log: EventLog, tmp_path: Path) -> None:
    log.append([logged(0)])
    [day] = (tmp_path / "log").glob("laid=by_day/*")
    (day / "part-0.parquet").write_bytes(b"PAR1 and then the power went")
    assert len(log.read()) == 1


def test_a_past_history_has_no_future(store: FeatureStore) -> None:
    store.log.append([logged(n, n * 10, item_id=f"item-{n}") for n in range(5)])
    store.log.append([logged(9, 0, user_id="bob", item_id="bag", ad_id="ad-1")])
    moments = [
        ("ann", at(0)),
        ("ann", at(10.000001)),
        ("ann", at(20)),
        ("ann", at(99)),
        ("bob", at(99)),
        ("nobody", at(99)),
        ("ann", at(20)),
    ]
    histories = store.history_at(moments)
    assert [len(history) for history in histories] == [0, 2, 2, 5, 1, 0, 2]
    assert histories[2].item_ids == ("item-0", "item-1")
    assert histories[4] == UserHistory(("bag",), (at(0),), ("ad-1",))
    for (_, moment), history in zip(moments, histories, strict=True):
        assert all(clicked < moment for clicked in history.clicked_at)


def test_a_past_history_grows_with_the_log(store: FeatureStore) -> None:
    assert store.history_at([("ann", at(5))]) == [UserHistory()]
    store.log.append([logged(0, 1)])
    assert len(store.history_at([("ann", at(5))])[0]) == 1
    store.log.append([logged(1, 0)])
    assert store.history_at([("ann", at(5))])[0].clicked_at == (at(0), at(1))
    assert store.history_at([]) == []


def test_past_histories_are_cut_as_online_ones_are(tmp_path: Path) -> None:
    with FeatureStore.open(FeatureStoreSettings(history_length=4), tmp_path) as store:
        clicks = [logged(n, n // 2, item_id=f"item-{n}", ad_id="a") for n in range(10)]
        store.apply(clicks)
        store.log.append(clicks)
        assert store.history_at([("ann", at(99))]) == [store.history("ann")]
        assert store.history_at([("ann", at(99))], limit=2) == [store.history("ann").newest(2)]
        assert len(store.history_at([("ann", at(99))], limit=50)[0]) == 4


def test_moments_of_another_time_zone_are_the_same_moments(store: FeatureStore) -> None:
    store.log.append([logged(0, 0)])
    local = datetime.fromisoformat("2026-03-01T13:00:00.000001+01:00")
    assert len(store.history_at([("ann", local)])[0]) == 1
    assert store.history_at([("ann", local.astimezone(UTC))])[0].clicked_at == (click("a").ts,)


def test_feast_apply_works_on_the_folder_and_writes_under_home_only(tmp_path: Path) -> None:
    package = Path(__file__).parents[2] / "feature_store"
    before = sorted(package.rglob("[!_]*[!c]"))
    feast = Path(sys.executable).parent / "feast"
    applied = subprocess.run(
        [feast, "-c", package, "apply"],
        env=os.environ | {"ADLOOM_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert applied.returncode == 0, applied.stderr
    assert {path.name for path in (tmp_path / "features").iterdir()} >= {"registry.db", "online.db"}
    assert sorted(package.rglob("[!_]*[!c]")) == before
    with FeatureStore.open(FeatureStoreSettings(), tmp_path / "features") as store:
        views = {view.name for view in store.feast.list_feature_views()}
    assert views == {
        "user_history",
        "user_impressions",
        "user_stats",
        "user_events",
        "item_stats",
        "stream_progress",
        "user_clicks",
    }
