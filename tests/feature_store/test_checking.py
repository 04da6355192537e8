"""The features are held against the log; what differs is told, and what is on its way is not."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from adloom.feature_store import checking, definitions
from adloom.feature_store.checking import Checked, check_all, check_sample
from adloom.feature_store.entity_key import Key, entity_key_of, names_of
from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.looking_back import lists_its_rows
from adloom.feature_store.progress import Reached
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop.commands.app import app
from tests.sample_events import logged

KINDS: Any = ["impression", "click", "exposure"]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_pause_seconds", lambda store: 0.05)


def events_of(seed: int, count: int = 300) -> list[LoggedEvent]:
    """Of twenty users and ten items, in two partitions, some of them twice."""
    rng = random.Random(seed)
    events: list[LoggedEvent] = []
    for offset in range(count):
        event = logged(
            offset,
            rng.randrange(1_000),
            rng.choice(KINDS),
            user_id=f"user-{rng.randrange(20)}",
            item_id=f"item-{rng.randrange(10)}",
            event_id=f"e{rng.randrange(count)}",
            topic="t",
        )
        events.append(event._replace(partition=int(event.user_id[5:]) % 2))
    return events


def consume(store: FeatureStore, events: list[LoggedEvent]) -> None:
    store.apply(events)
    store.log.append(events)


def named(checked: Checked) -> list[tuple[str, str]]:
    assert checked.differing == len(checked.differences)
    return sorted((one.of, one.name) for one in checked.differences)


def test_features_that_grew_from_the_log_equal_it(store: FeatureStore) -> None:
    for seed in range(3):
        batch = [event._replace(offset=event.offset + 300 * seed) for event in events_of(seed)]
        consume(store, batch)
    for checked in (check_all(store), check_sample(store, 100)):
        assert named(checked) == []
        assert (checked.users, checked.items, checked.records) == (20, 10, 900)


def test_a_sample_is_no_larger_than_asked_for(store: FeatureStore) -> None:
    consume(store, events_of(1))
    checked = check_sample(store, 4)
    assert (checked.users, checked.items) == (4, 4)


def remove(store: FeatureStore, view: str, *names: object) -> None:
    """As if the rows had been evicted."""
    backend: Any = store.backend
    if not lists_its_rows(store.backend):
        pytest.skip("a store that lists no rows cannot tell which to remove")
    found = [
        key for key, _ in backend.rows(view) if names_of(getattr(definitions, view))(key) == names
    ]
    assert len(found) == 1
    if hasattr(backend, "_redis"):
        backend._redis.delete(found[0] + b"adloom")
        return
    backend._writer.execute(f"DELETE FROM adloom_{view} WHERE entity_key = ?", found)


@pytest.mark.parametrize("check", [check_all, lambda store: check_sample(store, 100)])
def test_rows_that_are_gone_differ(check: Any, store: FeatureStore) -> None:
    consume(store, events_of(1))
    remove(store, "user_stats", "user-3")
    remove(store, "item_stats", "item-5", 1)
    found = check(store)
    assert named(found) == [("item", "item-5"), ("user", "user-3")]
    by_name = {one.name: one for one in found.differences}
    item = by_name["item-5"]
    assert item.logged.impressions > item.stored.impressions


@pytest.mark.parametrize("check", [check_all, lambda store: check_sample(store, 100)])
def test_what_the_log_never_had_differs(check: Any, store: FeatureStore) -> None:
    consume(store, events_of(1))
    store.apply([logged(1_000, user_id="stranger", item_id="phantom", topic="t")])
    found = check(store)
    if found.unlisted:  # and the command says so
        assert named(found) == []
    else:
        assert named(found) == [("item", "phantom"), ("user", "stranger")]


def test_what_the_features_lack_differs_in_every_store(store: FeatureStore) -> None:
    consume(store, events_of(1))
    lacking = logged(1_000, user_id="user-1", item_id="item-1", topic="t")
    store.log.append([lacking])
    store.apply([], [Reached("t", 0, "first", 1_000)])
    assert named(check_all(store)) == [("item", "item-1"), ("user", "user-1")]


def test_what_the_log_has_beyond_the_features_is_on_its_way(store: FeatureStore) -> None:
    consume(store, events_of(1))
    store.log.append([logged(1_000, user_id="user-1", topic="t")])
    store.log.append([logged(0, user_id="user-2", topic="t", topic_id="made anew", event_id="x")])
    assert named(check_all(store)) == []
    assert named(check_sample(store, 100)) == []


def test_events_of_a_topic_that_is_no_more_count(store: FeatureStore) -> None:
    consume(store, events_of(1))
    consume(store, [logged(0, user_id="user-1", topic="t", topic_id="made anew", event_id="x")])
    assert named(check_all(store)) == []
    remove(store, "user_stats", "user-2")
    assert named(check_all(store)) == [("user", "user-2")]


@pytest.mark.parametrize("check", [check_all, lambda store: check_sample(store, 100)])
def test_a_batch_whose_progress_is_not_written_yet_is_on_its_way(
    check: Any, store: FeatureStore
) -> None:
    """Where rows are written one by one, progress comes last."""
    if store.backend.layout.marks == "none":
        pytest.skip("a batch is one step of this store")
    consume(store, events_of(1))
    view = "stream_progress"
    key = entity_key_of(store.backend.layout.views[view])((0,))
    before = store.backend.read(view, [key])
    consume(store, [logged(1_000, user_id="user-1", item_id="item-1", topic="t")])
    store.backend.write({view: {key: before[0]}}, {}, dict)
    assert named(check(store)) == []
    remove(store, "user_stats", "user-2")
    assert named(check(store)) == [("user", "user-2")]


def test_a_partition_that_begins_while_one_looks_is_on_its_way(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: consume(store, events_of(1)))
    names = [("user", "user-1"), ("item", "item-1")]
    assert checking._look(store, names, 0.1) == []
    assert checking._look(store, names, 0.1) == []  # all of it is in both
    remove(store, "user_stats", "user-1")
    assert [one.name for one in checking._look(store, names, 0.1)] == ["user-1"]


def test_a_log_that_is_a_moment_behind_is_waited_for(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "_pause_seconds", lambda store: 0.5)
    consume(store, events_of(1))
    late = [logged(1_000, user_id="user-1", topic="t")]
    store.apply(late)
    timer = threading.Timer(0.3, store.log.append, [late])
    timer.start()
    assert named(check_all(store)) == []
    timer.join()


def test_features_are_compared_while_a_consumer_writes(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "_pause_seconds", lambda store: 0.5)  # a batch's log is on disk
    stop, batches = threading.Event(), iter(range(100_000))

    def consuming() -> None:
        while not stop.is_set():
            first = next(batches) * 40
            events = events_of(first, 40)
            consume(store, [event._replace(offset=event.offset + first) for event in events])

    consumer = threading.Thread(target=consuming)
    consumer.start()
    try:
        for _ in range(3):
            assert named(check_all(store)) == []
            assert named(check_sample(store, 5)) == []
    finally:
        stop.set()
        consumer.join()


STREAMS = st.lists(
    st.tuples(
        st.sampled_from([("t", "first", 0), ("t", "first", 1), ("t", "second", 0), ("u", "x", 1)]),
        st.sampled_from(KINDS),
        st.sampled_from("ab"),
        st.integers(0, 6),
    ),
    max_size=60,
)


@given(STREAMS, st.data())
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_features_after_any_batches_equal_those_made_from_the_log(
    store: FeatureStore, tmp_path: Path, drawn: list[Any], data: st.DataObject
) -> None:
    run = uuid.uuid4().hex  # another for every example, also when one is tried again
    events = [
        logged(
            offset,
            number,
            kind,
            event_id=f"e{number}",
            user_id=f"{user}-{run}",
            item_id=f"{'xyz'[number % 3]}-{run}",
            topic=topic + run,
            topic_id=topic_id,
            partition=partition,
        )
        for offset, ((topic, topic_id, partition), kind, user, number) in enumerate(drawn)
    ]
    log = EventLog(tmp_path / run)
    users = [f"{user}-{run}" for user in "ab"]
    items = [f"{item}-{run}" for item in "xyz"]
    start = 0
    while start < len(events):
        end = start + data.draw(st.integers(1, 20))
        store.apply(events[start:end])
        log.append(events[start:end])
        if data.draw(st.booleans()):  # it comes again: the offsets were not told in time
            store.apply(events[start:end])
            log.append(events[start:end])
        start = end
    grown = (store.histories(users), store.user_stats(users), store.item_stats(items))
    list(store.rebuild(log.batches()))
    assert (store.histories(users), store.user_stats(users), store.item_stats(items)) == grown
    assert len(log.read("click")) == sum(stats.clicks for stats in grown[1].values())


@given(st.text(min_size=1, max_size=20), st.integers(-(2**63), 2**63 - 1))
def test_names_come_back_out_of_a_key(name: str, number: int) -> None:
    for view, key in (
        (definitions.user_stats, (name,)),
        (definitions.item_stats, (name, number)),
        (definitions.stream_progress, (number,)),
    ):
        given_key: Key = key
        assert names_of(view)(entity_key_of(view)(given_key)) == key


def test_the_command_tells_what_differs_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", str(tmp_path))
    cli = CliRunner()
    with FeatureStore.open(FeatureStoreSettings(), tmp_path / "features") as store:
        consume(store, [logged(n, user_id="ann") for n in range(3)])
        good = cli.invoke(app, ["features", "check"])
        assert (good.exit_code, "1 users and 1 items" in good.stdout) == (0, True)
        assert json.loads(cli.invoke(app, ["features", "check", "--json"]).stdout)["equal"]
        remove(store, "user_history", "ann")
    bad = cli.invoke(app, ["features", "check"])
    told = " ".join(bad.stdout.split())
    assert bad.exit_code == 1
    assert "1 differ" in told
    assert "user ann: a part of the rows is gone" in told or "click 1 of the history" in told
    assert "adloom backfill makes the features anew" in told
    as_json = cli.invoke(app, ["features", "check", "--sample", "9", "--json"])
    found = json.loads(as_json.stdout)
    assert (as_json.exit_code, found["equal"], found["differing"]) == (1, False, 1)
    assert found["differences"][0]["log"]["clicks"] == 3
    assert len(found["differences"][0]["log"]["history"]) == 3
    assert cli.invoke(app, ["backfill", "--yes"]).exit_code == 0
    assert cli.invoke(app, ["features", "check"]).exit_code == 0
