"""Features that are made anew equal those that grew live."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from adloom.feature_store.event_log import NotAnEventLog
from adloom.feature_store.store import ContendedPartition, FeatureStore
from adloom.loop.commands.app import app
from adloom.loop.replay.past_events import from_files, from_kafka
from adloom.loop.settings import Settings
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from tests.rough_traffic import RoughTraffic
from tests.sample_events import logged

_PATIENCE_SECONDS = 60.0


def consume_all(kafka: KafkaSettings, store: FeatureStore, traffic: RoughTraffic) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with EventConsumer(kafka, store) as consumer:
        while consumer.poll() or not traffic.logged_once(store):
            assert time.monotonic() < deadline


@pytest.mark.parametrize("source", ["log", "folder", "kafka"])
def test_a_backfill_equals_the_live_result(
    source: str, kafka: KafkaSettings, store: FeatureStore
) -> None:
    kafka = kafka.model_copy(update={"max_batch": 300})
    traffic = RoughTraffic(seed=5)
    traffic.send(kafka, 3_000)
    consume_all(kafka, store, traffic)
    live = traffic.found(store)
    assert live == traffic.expected()
    batches = {
        "log": store.log.batches(),
        "folder": from_files(store.folder / "log"),
        "kafka": from_kafka(kafka),
    }[source]
    assert sum(store.rebuild(batches)) >= len(traffic.sent)
    assert traffic.found(store) == live
    # Consumers go on from their place, and one that begins again knows what is there already.
    traffic.send(kafka, 500)
    consume_all(kafka, store, traffic)
    consume_all(kafka.model_copy(update={"group_id": f"{kafka.group_id}-again"}), store, traffic)
    assert traffic.found(store) == traffic.expected()


@pytest.mark.parametrize("batches_before", [1, 5])
def test_a_rebuild_is_refused_while_a_consumer_writes(
    batches_before: int, store: FeatureStore
) -> None:
    with FeatureStore.open(store.settings, store.folder) as other:
        rebuilding = store.rebuild([logged(offset)] for offset in range(9))
        other.apply([logged(0)])
        for _ in range(batches_before):
            next(rebuilding)
        other.apply([logged(9, partition=0)])
        with pytest.raises(ContendedPartition, match="stop them"):
            list(rebuilding)
    assert sum(store.rebuild([logged(offset)] for offset in range(9))) == 9
    assert len(store.history("ann")) == 9


def warehouse(**changes: Any) -> pd.DataFrame:
    """Events as someone else may keep them: no place in a stream, more columns."""
    columns: dict[str, Any] = {
        "kind": ["impression", "click", "click"],
        "event_id": ["i1", "c1", "c1"],
        "ts": pd.to_datetime(["2026-03-01T12:00:00Z"] * 3, utc=True),
        "user_id": ["ann"] * 3,
        "item_id": ["shoe"] * 3,
        "country": ["NO"] * 3,
    }
    return pd.DataFrame(columns | changes)


def test_events_of_a_warehouse_need_no_place_in_a_stream(
    store: FeatureStore, tmp_path: Path
) -> None:
    file = tmp_path / "events.parquet"
    warehouse().to_parquet(file)
    for _ in range(2):
        assert sum(store.rebuild(from_files(file))) == 3
        shoe = store.item_stats(["shoe"])["shoe"]
        assert (shoe.impressions, shoe.clicks) == (1, 1)


def test_a_file_that_was_sorted_anew_loses_nothing(store: FeatureStore, tmp_path: Path) -> None:
    store.log.append([logged(offset, seconds=-offset) for offset in range(20)])
    store.log.read().to_parquet(tmp_path / "sorted.parquet")  # the newest offset comes first
    assert sum(store.rebuild(from_files(tmp_path / "sorted.parquet"))) == 20
    assert len(store.history("ann")) == 20


def test_a_log_whose_files_were_merged_loses_nothing(store: FeatureStore) -> None:
    for offset in range(40):
        store.log.append([logged(offset)])
    store.log.close()
    assert sum(store.rebuild(from_files(store.folder / "log"))) == 40
    assert len(store.history("ann")) == 40


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kind": ["impression", "click", "purchase"]}, "'purchase' is none of"),
        ({"user_id": ["ann", None, "bob"]}, "row 1 has no user_id"),
        ({"ts": ["soon"] * 3}, "cannot be read as events"),
    ],
)
def test_a_file_that_holds_no_events_is_refused(
    changes: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "events.parquet"
    warehouse(**changes).to_parquet(file)
    with pytest.raises(NotAnEventLog, match=problem):
        list(from_files(file))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    warehouse().drop(columns=["item_id"]).to_parquet(file)
    with pytest.raises(NotAnEventLog, match="no column item_id"):
        list(from_files(file))


@pytest.fixture
def cli(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", str(tmp_path))
    monkeypatch.setenv("ADLOOM_KAFKA__BOOTSTRAP_SERVERS", str(kafka.bootstrap_servers))
    monkeypatch.setenv("ADLOOM_KAFKA__TOPIC_PREFIX", kafka.topic_prefix)
    monkeypatch.setenv("ADLOOM_KAFKA__GROUP_ID", kafka.group_id)
    return CliRunner()


def test_the_command_rebuilds(cli: CliRunner, kafka: KafkaSettings, tmp_path: Path) -> None:
    traffic = RoughTraffic(seed=6, users=5)
    traffic.send(kafka, 200)
    with FeatureStore.open(Settings().features, tmp_path / "features") as store:
        consume_all(kafka, store, traffic)
        for arguments in (["backfill"], ["backfill", "--from-offsets"]):
            store.clear()
            done = cli.invoke(app, arguments)
            assert done.exit_code == 0, done.output
            assert traffic.found(store) == traffic.expected()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere.parquet"], "no parquet file is there"),
        (["a.parquet", "--from-offsets"], "not both"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], problem: str, cli: CliRunner) -> None:
    found = cli.invoke(app, ["backfill", *arguments])
    assert found.exit_code == 2
    assert problem in " ".join(found.stderr.split())
