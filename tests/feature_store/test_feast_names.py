"""Features under a shop's own names, in a registry and a project that others had before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import feast
import pytest
from feast import Entity, FeatureView, Field, FileSource
from feast.repo_config import RepoConfig
from feast.types import Int64, String
from feast.value_type import ValueType
from pydantic import ValidationError
from sqlalchemy import make_url

from adloom.feature_store.backend import StoreUnfit
from adloom.feature_store.checking import check_all
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore, UserStats
from adloom.loop.bench.redis_server import LocalRedis
from adloom.loop.replay.backfill import planned
from adloom.loop.settings.database import DatabaseSettings
from tests.postgres_server import PostgresServer
from tests.sample_events import at, logged

OWN = {
    "project": "shop",
    "user_entity": "customer",
    "user_key": "customer_id",
    "item_entity": "sku",
    "item_key": "zsku",
    "names": {"user_stats": "customer_counts", "impressions": "views", "user_clicks": "clicked"},
}


def others_store(registry: dict[str, Any], online: dict[str, Any]) -> feast.FeatureStore:
    """As another team opens it."""
    return feast.FeatureStore(
        config=RepoConfig(
            project="shop",
            provider="local",
            registry=registry,
            online_store=online,
            offline_store={"type": "dask"},
            entity_key_serialization_version=3,
        )
    )


def sql_path(database: DatabaseSettings) -> str:
    """As Feast has it: with the password in it."""
    assert database.url is not None
    assert database.password is not None
    url = make_url(database.url).set(
        drivername="postgresql+psycopg", password=database.password.get_secret_value()
    )
    return url.render_as_string(hide_password=False)


def others_definitions(folder: Path) -> list[Any]:
    customer = Entity(
        name="customer",
        join_keys=["customer_id"],
        value_type=ValueType.STRING,
        description="of the team that had it first",
    )
    source = FileSource(path=str(folder / "none.parquet"), timestamp_field="at")
    fields = [Field(name="customer_id", dtype=String), Field(name="age", dtype=Int64)]
    view = FeatureView(
        name="customer_profile", entities=[customer], ttl=timedelta(0), schema=fields, source=source
    )
    return [customer, view]


@pytest.fixture(params=[("redis", "file"), ("sqlite", "file"), ("sqlite", "sql")])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, feast.FeatureStore]:
    """Settings of adloom, and the store of another team, which has something in it."""
    store, kind = request.param
    registry = {"path": str(tmp_path / "registry.db")}
    if kind == "sql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        registry = {"registry_type": "sql", "path": sql_path(postgres.new_database())}
    given = {"registry": registry, **OWN, "online": store}
    if store == "redis":
        redis: LocalRedis = request.getfixturevalue("redis")
        address = f"{redis.url},db=1"  # others count the keys of 0
        given["redis_url"] = address
        online = {"type": "redis", "connection_string": address}
    else:
        (tmp_path / "home").mkdir()
        online = {"type": "sqlite", "path": str(tmp_path / "home" / "online.db")}
    others = others_store(registry, online)
    others.apply(others_definitions(tmp_path))
    profile = {"customer_id": ["ann"], "age": [47], "at": [at(0)]}
    import pandas as pd

    others.write_to_online_store("customer_profile", pd.DataFrame(profile))
    return FeatureStoreSettings.model_validate(given), others


def test_another_team_reads_them_and_keeps_its_own(
    shared: tuple[FeatureStoreSettings, feast.FeatureStore], tmp_path: Path
) -> None:
    settings, others = shared
    with FeatureStore.open(settings, tmp_path / "home") as store:
        store.clear()
        store.apply([logged(n, n, kind="impression" if n % 2 else "click") for n in range(6)])
        assert list(store.rebuild([[logged(n, n) for n in range(4)]])) == [4]
        store.apply([logged(9, 9, kind="impression")])
        assert store.user_stats(["ann"])["ann"] == UserStats(1, 4)
        store.log.append([logged(n, n) for n in range(4)])
        assert len(store.history_at([("ann", at(3))])[0]) == 3
    others.refresh_registry()
    names = ["customer_counts:views", "customer_counts:clicks", "user_history:item_ids"]
    read = others.get_online_features(
        [*names, "customer_profile:age"], [{"customer_id": "ann"}]
    ).to_dict()
    assert (read["views"], read["clicks"], read["age"]) == ([1], [4], [47])
    assert read["item_ids"] == [["shoe"] * 4]
    counts = others.get_online_features(["item_stats:views"], [{"zsku": "shoe", "shard": 0}])
    assert counts.to_dict()["views"] == [1]
    assert others.get_entity("customer").description == "of the team that had it first"
    with FeatureStore.open(settings, tmp_path / "home") as store:
        store.clear()
    read = others.get_online_features(
        ["customer_counts:clicks", "customer_profile:age"], [{"customer_id": "ann"}]
    ).to_dict()
    assert (read["clicks"], read["age"]) == ([None], [47])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"user_key": "person"}, r"entity customer with the key customer_id"),
        ({"names": {"user_stats": "customer_profile"}}, r"feature view customer_profile .* not ad"),
    ],
)
def test_a_name_that_stands_for_something_else_there_is_refused(
    given: dict[str, Any],
    told: str,
    shared: tuple[FeatureStoreSettings, feast.FeatureStore],
    tmp_path: Path,
) -> None:
    settings, others = shared
    with pytest.raises(StoreUnfit, match=told):
        FeatureStore.open(settings.model_copy(update=given), tmp_path / "home")
    assert [view.name for view in others.list_feature_views()] == ["customer_profile"]


def test_new_names_ask_for_a_rebuild(tmp_path: Path) -> None:
    """Rows of the old ones would count beside those of the new ones."""
    events = [logged(n, n) for n in range(5)]
    with FeatureStore.open(FeatureStoreSettings(), tmp_path) as store:
        store.apply(events)
    for settings in (
        FeatureStoreSettings(user_key="customer_id", names={"clicks": "taps"}),
        FeatureStoreSettings(),
    ):
        with FeatureStore.open(settings, tmp_path) as store:
            with pytest.raises(StoreUnfit, match=r"other names .* run adloom backfill"):
                store.ping()
            with pytest.raises(StoreUnfit):
                store.apply(events)
            store.log.append(events)
            with planned(store) as plan:
                assert plan.carry_out() >= 5
            store.ping()
            assert check_all(store).differing == 0
            store.apply([*events, logged(5, 5)])
            store.log.append([logged(5, 5)])
            assert store.user_stats(["ann"])["ann"] == UserStats(0, 6)
            assert store.item_stats(["shoe"])["shoe"].clicks == 6


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"user_key": "id", "item_key": "id"}, "same name: id"),
        ({"user_entity": "item"}, "same name: item"),
        ({"names": {"clicks": "impressions"}}, "same name: impressions"),
        ({"names": {"no_such": "x"}}, "names"),
        ({"project": "a b"}, "project"),
    ],
)
def test_names_that_cannot_be_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        FeatureStoreSettings.model_validate(given)
