"""Features that are made anew equal those that grew live."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.store import ContendedPartition, FeatureStore
from adloom.loop.replay.backfill import Plan, planned
from adloom.loop.replay.errors import NotPastEvents
from adloom.loop.replay.new_events import new_by_identity, new_by_place
from adloom.loop.replay.past_events import PastEvents, from_kafka
from adloom.stream.settings import KafkaSettings
from tests.loop.replay.past_traffic import consume_all, warehouse
from tests.rough_traffic import RoughTraffic
from tests.sample_events import at, logged


@pytest.mark.parametrize("source", ["log", "folder", "kafka"])
def test_a_backfill_equals_the_live_result(
    source: str, kafka: KafkaSettings, store: FeatureStore, tmp_path: Path
) -> None:
    kafka = kafka.model_copy(update={"max_batch": 300})
    traffic = RoughTraffic(seed=5)
    traffic.send(kafka, 3_000)
    consume_all(kafka, store, traffic)
    live = traffic.found(store)
    assert live == traffic.expected()
    target = store
    if source != "log":  # another home, which has to get all of it
        target = FeatureStore.open(store.settings, tmp_path / "other")
    if source == "folder":
        events, new = PastEvents(store.folder / "events").batches(), new_by_identity(target.log)
    else:
        events, new = from_kafka(kafka), new_by_place(target.log)
    with planned(target, () if source == "log" else events, new) as plan:
        assert plan.carry_out() >= len(traffic.sent)
    assert traffic.found(target) == live
    assert traffic.logged_once(target)
    # Consumers go on from their place, and one that begins again knows what is there already.
    traffic.send(kafka, 500)
    consume_all(kafka, target, traffic)
    consume_all(kafka.model_copy(update={"group_id": f"{kafka.group_id}-again"}), target, traffic)
    assert traffic.found(target) == traffic.expected()
    target.close()


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


def add(store: FeatureStore, file: Path, **options: Any) -> Plan:
    events = PastEvents(file, **options).batches()
    with planned(store, events, new_by_identity(store.log)) as plan:
        plan.carry_out()
    return plan


def test_events_of_a_warehouse_need_no_place_in_a_stream_and_are_added_once(
    store: FeatureStore, tmp_path: Path
) -> None:
    file = tmp_path / "events.parquet"
    warehouse().to_parquet(file)
    store.log.append([logged(0, item_id="bag")])
    for new in (3, 0):
        plan = add(store, file)
        assert (plan.read, plan.new) == (3, new)
        shoe, bag = (store.item_stats([item])[item] for item in ("shoe", "bag"))
        assert (shoe.impressions, shoe.clicks) == (1, 1)
        assert bag.clicks == 1  # a file is added to the log: it replaces nothing
        assert sorted(store.log.read()["event_id"]) == ["c1", "click-0", "i1"]


def test_a_rebuild_from_the_log_alone_keeps_what_came_from_a_file(
    store: FeatureStore, tmp_path: Path
) -> None:
    warehouse().to_parquet(tmp_path / "events.parquet")
    add(store, tmp_path / "events.parquet")
    with planned(store) as plan:
        assert (plan.users, plan.items, plan.logged, plan.new) == (1, 1, 3, 0)
        plan.carry_out()
    assert store.user_stats(["ann"])["ann"].clicks == 1


def test_users_of_a_file_have_not_crossed_to_another_partition(
    store: FeatureStore, tmp_path: Path
) -> None:
    warehouse().to_parquet(tmp_path / "events.parquet")
    add(store, tmp_path / "events.parquet")
    store.apply([logged(0, partition=3)])
    assert store.crossed == 0


@pytest.mark.parametrize("write", ["csv", "jsonl", "gzip"])
def test_a_file_may_be_csv_or_json_lines(write: str, store: FeatureStore, tmp_path: Path) -> None:
    file = tmp_path / "events"
    frame = warehouse(context=['{"page": "home"}', "", None], extra=['{"n": 1}', None, ""])
    frame["ts"] = frame["ts"].map(pd.Timestamp.isoformat)
    if write == "jsonl":
        frame.to_json(file, orient="records", lines=True)
    else:
        text = frame.to_csv(index=False).encode()
        file.write_bytes(gzip.compress(text) if write == "gzip" else text)
    add(store, file)
    impression = store.log.read("impression").iloc[0]
    assert (impression["context"], impression["extra"]) == ('{"page": "home"}', '{"n": 1}')
    assert store.user_stats(["ann"])["ann"].clicks == 1


def test_a_file_that_was_sorted_anew_loses_nothing(store: FeatureStore, tmp_path: Path) -> None:
    with FeatureStore.open(store.settings, tmp_path / "other") as other:
        other.log.append([logged(offset, seconds=-offset) for offset in range(20)])
        other.log.read().to_parquet(tmp_path / "sorted.parquet")  # the newest offset comes first
    assert add(store, tmp_path / "sorted.parquet").new == 20
    assert len(store.history("ann")) == 20


def test_a_log_whose_files_were_merged_loses_nothing(store: FeatureStore, tmp_path: Path) -> None:
    for offset in range(40):
        store.log.append([logged(offset)])
    store.log.close()
    with FeatureStore.open(store.settings, tmp_path / "other") as other:
        assert add(other, store.folder / "events").new == 40
        assert len(other.history("ann")) == 40


EPOCH_MS = 1_772_366_400_000


@pytest.mark.parametrize(
    ("ts", "options"),
    [
        ([EPOCH_MS] * 3, {"unit": "ms"}),
        ([EPOCH_MS / 1000] * 3, {"unit": "s"}),
        (["2026-03-01T12:00:00Z"] * 3, {}),
        (["2026-03-01T13:00:00"] * 3, {"zone": "Europe/Berlin"}),
        (pd.to_datetime(["2026-03-01T13:00:00"] * 3), {"zone": "Europe/Berlin"}),
        (pd.to_datetime(["2026-03-01T13:00:00+01:00"] * 3), {}),
    ],
)
def test_moments_are_what_the_file_or_the_options_tell(
    ts: Any, options: dict[str, Any], store: FeatureStore, tmp_path: Path
) -> None:
    warehouse(ts=ts).to_parquet(tmp_path / "events.parquet")
    add(store, tmp_path / "events.parquet", **options)
    assert set(store.log.read()["ts"]) == {at(0)}


LATE = datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kind": ["impression", "click", "purchase"]}, "row 3: kind: none of impression, click"),
        ({"user_id": ["ann", None, "bob"]}, "row 2: user_id: Field required"),
        ({"user_id": ["ann", "u" * 129, "bob"]}, "row 2: user_id: .*at most 128"),
        ({"event_id": ["a", "b", ""]}, "row 3: event_id: Field required"),
        ({"ts": ["soon"] * 3}, "3 rows are no events(.|\n)*row 1: ts: not a moment"),
        ({"ts": [EPOCH_MS] * 3}, "row 1: ts: a number tells no unit.*--unit ms"),
        ({"ts": ["20260102"] * 3}, "row 1: ts: a number tells no unit"),
        ({"ts": pd.to_datetime(["2026-03-01"] * 3)}, "row 1: ts: .* no time zone.*--zone"),
        ({"ts": ["1969-12-31T23:59:59Z"] * 3}, "row 1: ts: .*1970"),
        ({"ts": ["2200-01-01T00:00:00Z"] * 3}, "row 1: ts: "),
        ({"ts": [LATE.isoformat()] * 3}, "row 1: ts: .* is later than"),
        ({"propensity": [0.5, 1.5, None]}, "row 2: propensity: "),
        ({"position": [0, -1, 1]}, "row 2: position: "),
        (
            {"context": ["{}", "[1]", "{"]},
            "2 rows are no events, and nothing was changed:\nrow 2: context: .*\nrow 3: context: ",
        ),
        ({"extra": ["{}", "[1]", None]}, "row 2: extra: not a JSON object"),
        ({"item_id": [7.0, 2.0**53, 8.0]}, "row 2: item_id: a float this large"),
    ],
)
def test_rows_that_are_no_events_are_named_and_nothing_is_changed(
    changes: dict[str, Any], problem: str, store: FeatureStore, tmp_path: Path
) -> None:
    store.log.append([logged(0)])
    store.apply([logged(0)])
    warehouse(**changes).to_parquet(tmp_path / "events.parquet")
    with pytest.raises(NotPastEvents, match=problem):
        add(store, tmp_path / "events.parquet")
    assert len(store.history("ann")) == len(store.log.read()) == 1


def test_ten_bad_rows_are_named_and_the_rest_is_counted(tmp_path: Path) -> None:
    pd.concat([warehouse(kind=["?"] * 3)] * 40).to_parquet(tmp_path / "events.parquet")
    with pytest.raises(NotPastEvents) as caught:
        list(PastEvents(tmp_path / "events.parquet").batches())
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[0][:22]) == (12, "120 rows are no events")
    assert lines[-1] == "and 110 rows more"


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    warehouse().drop(columns=["item_id", "kind"]).to_parquet(file)
    with pytest.raises(NotPastEvents, match="no column kind, item_id"):
        list(PastEvents(file).batches())


def test_what_fails_in_the_midst_of_a_backfill_leaves_what_was_there(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.log.append([logged(0)])
    store.apply([logged(0)])
    warehouse().to_parquet(tmp_path / "events.parquet")

    def broken() -> Iterator[list[LoggedEvent]]:
        yield [logged(0)]
        raise OSError("the log cannot be read")

    monkeypatch.setattr(store.log, "batches", broken)
    with pytest.raises(OSError, match="cannot be read"):
        add(store, tmp_path / "events.parquet")
    assert len(store.history("ann")) == 1
    monkeypatch.undo()
    with planned(store) as plan:  # the rows are in the log: a plain backfill takes them
        assert plan.carry_out() == 4
    assert len(store.history("ann")) == 2
