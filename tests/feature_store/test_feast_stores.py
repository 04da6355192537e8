"""Stores that Feast writes, and joins: what they need, what they tell, what they cannot promise."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from adloom.feature_store.backend import StoreUnavailable, StoreUnfit
from adloom.feature_store.checking import check_all
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore, UserStats
from adloom.loop.replay.backfill import planned
from adloom.loop.settings import load_settings
from tests.feast_stores import FEASTS_SQLITE, by_feasts_sqlite, on_postgres
from tests.postgres_server import NoPostgres, PostgresServer
from tests.sample_events import at, logged


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """One that a test may stop."""
    folder = Path(tempfile.mkdtemp(prefix="adloom-postgres-", dir="/tmp"))
    try:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.stop()
    except NoPostgres as error:
        pytest.skip(str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_what_it_cannot_promise_is_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FeatureStore.open(by_feasts_sqlite(tmp_path), tmp_path / "home") as store:
        store.ping()
    told = [one.message for one in caplog.records if "compares nothing" in one.message]
    assert len(told) == 1
    assert "events of a user must come in one partition" in told[0]


def test_a_store_that_is_away_is_waited_for(own_postgres: PostgresServer, tmp_path: Path) -> None:
    settings = on_postgres(own_postgres.new_database())
    own_postgres.stop()
    with FeatureStore.open(settings, tmp_path) as store:
        with pytest.raises(
            StoreUnavailable, match=r"the online store postgres cannot be used"
        ) as e:
            store.apply([logged(0)])
        assert "\n" not in str(e.value)
        assert "only of tests" not in str(e.value)
        own_postgres.start()
        store.apply([logged(0)])
        own_postgres.stop()
        with pytest.raises(StoreUnavailable):
            store.history("ann")
        own_postgres.start()
        assert store.user_stats(["ann"])["ann"] == UserStats(0, 1)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"online": "postgress"}, r"does not take these settings"),
        (
            {"online": "postgres", "online_config": {"host": "db", "port": "hush"}},
            r"does not take .*(port|user|database)",
        ),
        ({"online": FEASTS_SQLITE, "online_config": {"pth": "x"}}, r"does not take .*pth"),
        ({"online": "shop.NoSuchOnlineStore"}, r"does not take|lacks"),
        ({"online": "hazelcast"}, r"Feast lacks what this store needs|does not take"),
        ({"offline": "dusk"}, r"does not take these settings"),
        ({"offline": "ray", "offline_config": {"storage": 7}}, r"does not take .*storage"),
    ],
)
def test_a_store_that_feast_does_not_know_is_told_in_a_line(
    given: dict[str, Any], told: str, tmp_path: Path
) -> None:
    settings = FeatureStoreSettings.model_validate(given)
    with pytest.raises(StoreUnfit, match=told) as failed:
        FeatureStore.open(settings, tmp_path)
    assert "\n" not in str(failed.value)
    assert "hush" not in str(failed.value)


def test_its_config_comes_from_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "adloom.toml"
    file.write_text(
        '[features]\nonline = "postgres"\n[features.online_config]\nhost = "db"\nport = 5433\n'
    )
    monkeypatch.setenv("ADLOOM_FEATURES__ONLINE_CONFIG__PASSWORD", "hush")
    features = load_settings(file).features
    expected = {"host": "db", "port": 5433, "password": "hush"}
    assert features.online_config.get_secret_value() == expected
    assert "hush" not in repr(features)
    assert "hush" not in features.model_dump_json()


@pytest.mark.parametrize(
    "offline", ["dask", "file", "duckdb", pytest.param("ray", marks=pytest.mark.long)]
)
def test_histories_at_a_moment_by_the_offline_store_of_the_settings(
    offline: str, tmp_path: Path
) -> None:
    if needed := {"ray": "ray", "duckdb": "ibis"}.get(offline):
        pytest.importorskip(needed)
    with FeatureStore.open(FeatureStoreSettings(offline=offline), tmp_path) as store:
        store.log.append([logged(n, n, item_id=f"item-{n}") for n in range(10)])
        store.log.append([logged(n, n, user_id="bob", event_id=f"b{n}") for n in (20, 21)])
        asked = [("ann", at(4)), ("bob", at(21)), ("ann", at(100)), ("nobody", at(100))]
        found = store.history_at([(name, moment.astimezone(UTC)) for name, moment in asked])
    assert [one.item_ids for one in found] == [
        tuple(f"item-{n}" for n in range(4)),
        ("shoe",),
        tuple(f"item-{n}" for n in range(10)),
        (),
    ]


def test_a_backfill_makes_such_a_store_anew(tmp_path: Path) -> None:
    events = [logged(n, n) for n in range(2_000)]
    with FeatureStore.open(by_feasts_sqlite(tmp_path), tmp_path / "home") as store:
        name = store.name()
        store.apply([logged(0, user_id="stranger", event_id="x", topic="other")])
        store.log.append(events)
        with planned(store) as plan:
            assert (plan.users, plan.items) == (None, None)
            assert plan.carry_out() == 2_000
        assert store.user_stats(["ann", "stranger"]) == {
            "ann": UserStats(0, 2_000),
            "stranger": UserStats(0, 0),
        }
        assert store.name() == name
        store.apply(events[-10:])
        assert store.user_stats(["ann"])["ann"] == UserStats(0, 2_000)
        assert check_all(store).differing == 0


@pytest.mark.parametrize("view", ["user_stats", "user_history", "item_stats"])
def test_a_writer_that_was_overtaken_in_the_midst_of_it_finds_out(
    view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was paused, say, and its partitions went to another, who went on."""
    events = [logged(n, n, kind="click" if n % 3 else "impression") for n in range(60)]
    with (
        FeatureStore.open(by_feasts_sqlite(tmp_path), tmp_path / "home") as paused,
        FeatureStore.open(by_feasts_sqlite(tmp_path), tmp_path / "home") as other,
        FeatureStore.open(FeatureStoreSettings(), tmp_path / "whole") as whole,
    ):
        whole.apply(events)
        paused.log.append(events)
        paused.apply(events[:20])
        write = paused.backend._write  # type: ignore[attr-defined]

        def overtaken(name: str, rows: Any) -> None:
            if name == view:
                monkeypatch.undo()
                other.apply(events[20:])
            write(name, rows)

        monkeypatch.setattr(paused.backend, "_write", overtaken)
        paused.apply(events[20:40])
        for store in (paused, other):
            assert store.user_stats(["ann"]) == whole.user_stats(["ann"])
            assert store.item_stats(["shoe"]) == whole.item_stats(["shoe"])
            assert store.history("ann") == whole.history("ann")
