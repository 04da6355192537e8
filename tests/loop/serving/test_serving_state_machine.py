"""Random sequences of bad days, over a real MLflow server, a store and a running ad server.

Whatever happens: what serves was checked, ads are drawn or refused in words, `/healthz` answers,
`/readyz` and `/metrics` tell what is ill and that it is well again, and no event that was accepted
is lost. `pytest tests/loop/serving/test_serving_state_machine.py --faults 50` tries 50 sequences;
few are tried, the same at every run, without the option.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as rules_of
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from adloom.loop.bench.redis_server import LocalRedis
from tests.loop_parts import adapter_folder, tiny_settings
from tests.mlflow_server import WRITER, MlflowServer, logged_in
from tests.serving_world.adapters import BROKEN
from tests.serving_world.clients import HANGING
from tests.serving_world.files import DAMAGE
from tests.serving_world.gated_broker import GatedBroker
from tests.serving_world.registered import Registered
from tests.serving_world.world import ServingWorld
from tests.stocked import stocked
from tests.tcp_gate import TcpGate

_MOST_VERSIONS = 8
_numbers = st.integers(0, 2**16)
_damage = st.sampled_from(sorted(DAMAGE))


class BadDays(RuleBasedStateMachine):
    """What may happen to any server."""

    def __init__(self, make_world: Callable[[], ServingWorld]) -> None:
        super().__init__()
        self.world = make_world()

    def teardown(self) -> None:
        if sys.exception() is None:
            self.world.close()
        else:
            self.world.abandon()

    def well(self, part: str) -> bool:
        return part not in self.world.ill

    def there(self, number: int) -> int:
        """One of the versions that are registered."""
        there = self.world.registered.there
        return there[number % len(there)]

    @invariant()
    def tells_the_truth(self) -> None:
        self.world.look()

    @rule()
    def ask(self) -> None:
        self.world.ask()

    @rule()
    def click(self) -> None:
        self.world.click()

    @precondition(lambda self: len(self.world.registered.versions) < _MOST_VERSIONS)
    @rule(wait=st.booleans())
    def serve_a_good_version(self, wait: bool) -> None:
        self.world.point_at(self.world.registered.register(), wait=wait)

    @precondition(lambda self: len(self.world.registered.versions) < _MOST_VERSIONS)
    @rule(how=st.sampled_from(sorted(BROKEN)), wait=st.booleans())
    def serve_a_broken_version(self, how: str, wait: bool) -> None:
        self.world.point_at(self.world.registered.register(how), wait=wait)

    @precondition(lambda self: self.world.registered.there)
    @rule(number=_numbers, wait=st.booleans())
    def move_the_alias(self, number: int, wait: bool) -> None:
        self.world.point_at(self.there(number), wait=wait)

    @rule()
    def delete_the_alias(self) -> None:
        self.world.drop_alias()

    @precondition(lambda self: self.world.registered.there)
    @rule(number=_numbers)
    def delete_a_version(self, number: int) -> None:
        self.world.delete(self.there(number))

    @precondition(lambda self: self.world.registered.there)
    @rule(number=_numbers)
    def promote(self, number: int) -> None:
        self.world.promote(self.there(number))

    @rule()
    def roll_back(self) -> None:
        self.world.roll_back()

    @precondition(lambda self: self.well("registry"))
    @rule(state=st.sampled_from(["refuse", "hang", "fail", "cut"]))
    def take_mlflow(self, state: Any) -> None:
        self.world.take_mlflow(state)

    @precondition(lambda self: self.well("registry"))
    @rule()
    def take_the_login(self) -> None:
        self.world.take_login()

    @precondition(lambda self: self.well("events"))
    @rule(state=st.sampled_from(["refuse", "hang"]))
    def take_the_broker(self, state: Any) -> None:
        self.world.take_broker(state)

    @precondition(lambda self: self.well("database"))
    @rule(how=_damage)
    def damage_the_database(self, how: str) -> None:
        self.world.damage_database(how)

    @rule()
    def damage_kept_adapters(self) -> None:
        self.world.damage_kept_adapters()

    @precondition(lambda self: self.world.has_drawn)
    @rule()
    def damage_a_picture(self) -> None:
        self.world.damage_picture()

    @precondition(lambda self: self.world.ill)
    @rule(number=_numbers)
    def mend(self, number: int) -> None:
        ill = sorted(self.world.ill)
        self.world.mend(ill[number % len(ill)])

    @rule(how=st.sampled_from(sorted(HANGING)))
    def hang(self, how: str) -> None:
        self.world.hang(how)

    @rule()
    def let_go(self) -> None:
        self.world.let_go()

    @rule()
    def settle(self) -> None:
        self.world.settle()

    @rule()
    def restart(self) -> None:
        self.world.restart()


class WithFile(BadDays):
    """Features in a file."""

    @precondition(lambda self: self.well("features"))
    @rule(how=_damage)
    def damage_features(self, how: str) -> None:
        self.world.damage_features(how)


class WithRedis(BadDays):
    """Features in a Redis behind a gate."""

    @precondition(lambda self: self.well("features"))
    @rule(state=st.sampled_from(["refuse", "hang"]))
    def take_features(self, state: Any) -> None:
        self.world.take_features(state)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has changed is noticed sooner than in earnest."""
    for name, seconds in {
        "adloom.loop.database.file_health._CHECK_EVERY_SECONDS": 0.3,
        "adloom.stream.outages._LONGEST_PAUSE_SECONDS": 0.5,
        "adloom.stream.membership.running._CHECK_EVERY_SECONDS": 0.5,
        "adloom.feature_store.sqlite_file._PATIENCE_SECONDS": 2.0,
        "adloom.loop.serving.event_sender._LOOK_SECONDS": 0.5,
        "adloom.loop.serving.champion._LONGEST_PAUSE_SECONDS": 2.0,
    }.items():
        monkeypatch.setattr(name, seconds)
    monkeypatch.setattr("adloom.stream.broker.LocalBroker", GatedBroker)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter_folder(tiny_settings(tmp_path_factory.mktemp("adapter")), "good")


@pytest.fixture
def gate(guarded_mlflow: MlflowServer) -> Iterator[TcpGate]:
    """Servers see MLflow through it; whoever changes the registry meanwhile does not."""
    opened = TcpGate(guarded_mlflow.gate.port)
    with logged_in(WRITER):
        yield opened
    opened.close()


Worlds = Callable[..., Callable[[], ServingWorld]]


@pytest.fixture
def worlds(tmp_path: Path, guarded_mlflow: MlflowServer, gate: TcpGate, adapter: Path) -> Worlds:
    """Makes worlds, each with a home and a registered model of its own."""

    def with_features(features: dict[str, Any], store: TcpGate | None = None) -> Any:
        def make() -> ServingWorld:
            name = f"bad-days-{uuid.uuid4().hex[:8]}"
            stocked(tmp_path / name)
            settings = tiny_settings(
                tmp_path / name,
                mlflow={
                    "tracking_uri": f"http://127.0.0.1:{gate.port}",
                    "model_name": name,
                    "experiment": name,
                },
                serve={"follow_seconds": 0.1, "timeout_seconds": 20, "max_connections": 256},
                features=features,
            )
            registered = Registered(guarded_mlflow.uri, WRITER, name, adapter)
            return ServingWorld(settings, registered, gate, store)

        return make

    return with_features


def try_sequences(request: pytest.FixtureRequest, days: type[BadDays], make_world: Any) -> None:
    number = request.config.getoption("faults")
    run_state_machine_as_test(
        cast(Any, lambda: days(make_world)),
        settings=rules_of(
            max_examples=number or 2,
            stateful_step_count=25 if number else 8,
            derandomize=not number,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.timeout(20_000)
def test_any_bad_day_with_features_in_a_file(
    worlds: Worlds, request: pytest.FixtureRequest
) -> None:
    try_sequences(request, WithFile, worlds({}))


@pytest.mark.long
@pytest.mark.timeout(20_000)
def test_any_bad_day_with_features_in_a_redis(
    worlds: Worlds, redis: LocalRedis, request: pytest.FixtureRequest
) -> None:
    store = TcpGate(int(redis.url.rpartition(":")[2]))
    try:
        given = {"online": "redis", "redis_url": f"127.0.0.1:{store.port}"}
        try_sequences(request, WithRedis, worlds(given, store))
    finally:
        store.close()
