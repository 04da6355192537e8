"""Redis as companies guard it, by TLS and rights; what is told where it is set wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from adloom.feature_store.backend import StoreUnavailable, StoreUnfit
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore, UserStats
from adloom.loop.bench.redis_server import LocalRedis, RedisUnavailable
from tests.redis_nodes import RedisNode, RedisNodes, running_node
from tests.sample_events import logged
from tests.tls_proxy import Certificates, make_certificates

RIGHTS = (
    "~*adloom* +@read +@write +@scripting +@transaction +@connection +info +role +wait "
    "+cluster|slots +cluster|nodes +cluster|shards"
)
"""As the README has them."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def guarded(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisNode]:
    """TLS alone, and a user for adloom."""
    try:
        with running_node(tmp_path_factory.mktemp("redis"), tls(certificates)) as server:
            yield server
    except RedisUnavailable as error:
        pytest.skip(str(error))


def tls(certificates: Certificates) -> list[str]:
    return [
        *("--tls-auth-clients", "no"),
        *("--tls-cert-file", str(certificates.server)),
        *("--tls-key-file", str(certificates.server_key)),
        *("--tls-ca-cert-file", str(certificates.authority)),
        *("--requirepass", "of operators", "--user", "adloom", "on", ">secret", *RIGHTS.split()),
        *("--user", "reader", "on", ">secret", "~*", "+@read", "+@connection", "+info"),
    ]


def settings_of(node: RedisNode, **given: Any) -> FeatureStoreSettings:
    return FeatureStoreSettings.model_validate(
        {"online": "redis", "redis_url": node.address, **given}
    )


LOGIN = {"redis_username": "adloom", "redis_password": "secret"}


def test_a_user_with_the_rights_of_the_readme_does_all_over_tls(
    guarded: RedisNode, certificates: Certificates, tmp_path: Path
) -> None:
    settings = settings_of(guarded, **LOGIN, redis_ca_file=certificates.authority)
    with FeatureStore.open(settings, tmp_path) as store:
        store.ping()
        store.apply([logged(n, n) for n in range(10)])
        assert list(store.rebuild([[logged(n, n) for n in range(20)]])) == [20]
        assert store.user_stats(["ann"])["ann"] == UserStats(0, 20)
        read = store.feast.get_online_features(["user_stats:clicks"], [{"user_id": "ann"}])
        assert read.to_dict()["clicks"] == [20]
        assert store.name().key
        store.clear()


def use(store: FeatureStore) -> None:
    store.ping()  # a server that hangs up was taken for one that is away
    store.apply([logged(0)])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"redis_username": "adloom", "redis_password": "wrong"}, "refuses the login.*REDIS_PASSW"),
        ({}, "refuses the login.*redis_username"),
        ({"redis_username": "reader", "redis_password": "secret"}, "does not let this user"),
        ({**LOGIN, "redis_ca_file": None}, None),
        ({**LOGIN, "redis_ca_file": "/no/such.pem"}, "redis_ca_file: there is no file"),
        ({**LOGIN, "options": ",sssl=true"}, "an option that Redis has not: sssl"),
        ({**LOGIN, "redis_ca_file": None, "options": ",ssl=true"}, "over TLS.*redis_ca_file"),
    ],
)
def test_what_is_set_wrong_is_told_in_a_line(
    given: dict[str, Any],
    told: str | None,
    guarded: RedisNode,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    given = {"redis_ca_file": certificates.authority, **given}
    address = guarded.address + given.pop("options", "")
    settings = settings_of(guarded, **given, redis_url=address)
    with (
        pytest.raises((StoreUnfit, StoreUnavailable)) as failed,
        FeatureStore.open(settings, tmp_path) as store,
    ):
        use(store)
    assert "\n" not in str(failed.value)
    assert "secret" not in str(failed.value)
    if told is not None:
        failed.match(told)


def test_a_node_of_a_cluster_is_no_single_server_and_the_other_way_round(
    redis_cluster: RedisNodes, redis: LocalRedis, tmp_path: Path
) -> None:
    node = redis_cluster.primaries()[0]
    with pytest.raises(StoreUnfit, match=r"node of a cluster: set .*redis_mode = 'cluster'"):
        FeatureStore.open(settings_of(node), tmp_path)
    alone = FeatureStoreSettings(
        online="redis", redis_mode="cluster", redis_url=SecretStr(redis.url)
    )
    with pytest.raises(StoreUnfit, match=r"no node of a cluster: leave features\.redis_mode out"):
        FeatureStore.open(alone, tmp_path)


def test_a_replica_takes_no_writes_and_says_so(redis: LocalRedis, tmp_path: Path) -> None:
    options = ["--replicaof", *redis.url.split(":")]
    with (
        running_node(tmp_path / "replica", options) as replica,
        FeatureStore.open(settings_of(replica), tmp_path / "home") as store,
        pytest.raises(StoreUnavailable, match=r"a replica and takes no writes"),
    ):
        store.apply([logged(0)])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"redis_url": "one:1,two:2"}, "several hosts"),
        ({"redis_url": "one:1", "redis_mode": "sentinel"}, "go together"),
        ({"redis_url": "one:1", "sentinel_master": "shop"}, "go together"),
        ({"redis_url": "one:1,db=3", "redis_mode": "cluster"}, "leave db out"),
        ({"redis_url": "one:1", "redis_password": "a,b"}, "comma"),
        ({"redis_url": "one:1", "online_config": {"a": 1}}, "sets up itself"),
        ({}, "needs redis_url"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        FeatureStoreSettings.model_validate({"online": "redis", **given})
