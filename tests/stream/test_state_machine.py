"""Random sequences of what may go wrong, over a real broker and a real store.

Whatever happened: once the members say that they are ready and have nothing left to read, features,
log and what was sent are equal. `pytest tests/stream/test_state_machine.py --faults 200` tries 200
sequences; fewer are tried, the same at every run, without the option.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as rules_of
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.loop.bench.redis_server import LocalRedis
from adloom.stream.settings import KafkaSettings
from tests.world.any_producer import CODECS, CRC32, MURMUR2
from tests.world.online_faults import OnlineFaults, RedisFaults, SqliteFaults
from tests.world.world import World

_MOST_PARTITIONS = 5
_STEPS = [(when, what) for when in ("before", "after") for what in ("apply", "append", "settle")]
_numbers = st.integers(0, 2**16)
_counts = st.integers(1, 12)


class Faults(RuleBasedStateMachine):
    """What every broker can do, the local one too."""

    most_members = 1

    def __init__(self, make_world: Callable[[], World]) -> None:
        super().__init__()
        self.world = make_world()
        self.world.start_member()
        self.loses_rows = False

    @initialize(loses_rows=st.booleans())
    def begin(self, loses_rows: bool) -> None:
        """In half of all sequences no row is lost: then nothing else may need a command."""
        self.loses_rows = loses_rows

    def teardown(self) -> None:
        try:
            self.world.settle()
        finally:
            self.world.close()

    def has_room(self) -> bool:
        return len(self.world.members) + len(self.world.processes) < self.most_members

    @rule(count=_counts, seed=_numbers, astray=st.booleans())
    def send(self, count: int, seed: int, astray: bool) -> None:
        self.world.send(count, seed, astray=astray)

    @rule(seed=_numbers)
    def send_poison(self, seed: int) -> None:
        self.world.send_poison(seed)

    @rule()
    def settle(self) -> None:
        self.world.settle()

    @precondition(lambda self: self.has_room())
    @rule()
    def start_member(self) -> None:
        self.world.start_member()

    @precondition(lambda self: self.world.members)
    @rule(number=_numbers)
    def stop_member(self, number: int) -> None:
        self.world.stop_member(number)

    @precondition(lambda self: self.world.members)
    @rule(number=_numbers, step=st.sampled_from(_STEPS))
    def crash_member(self, number: int, step: Any) -> None:
        self.world.crash_member(number, step)

    @precondition(lambda self: self.has_room())
    @rule()
    def start_process(self) -> None:
        self.world.start_process()

    @precondition(lambda self: self.world.processes)
    @rule()
    def kill_process(self) -> None:
        self.world.kill_process()

    @rule()
    def hold(self) -> None:
        self.world.hold()

    @rule()
    def release(self) -> None:
        self.world.release()

    @rule()
    def keep(self) -> None:
        self.world.keep()

    @rule()
    def restore(self) -> None:
        self.world.restore()

    @precondition(lambda self: self.loses_rows)
    @rule(number=_numbers)
    def lose_row(self, number: int) -> None:
        self.world.lose_row(number)

    @precondition(lambda self: self.loses_rows)
    @rule(number=_numbers)
    def lose_value(self, number: int) -> None:
        self.world.lose_value(number)

    @rule(with_events=st.booleans())
    def make_topics_anew(self, with_events: bool) -> None:
        self.world.make_topics_anew(self.world.partitions, with_events)


class ApacheFaults(Faults):
    """And what Apache Kafka alone can do."""

    most_members = 3

    @rule(
        count=_counts,
        seed=_numbers,
        codec=st.sampled_from(CODECS),
        partitioner=st.sampled_from([MURMUR2, CRC32]),
    )
    def send_as_others_do(self, count: int, seed: int, codec: str, partitioner: str) -> None:
        self.world.send(count, seed, codec=codec, partitioner=partitioner)

    @rule(
        count=_counts,
        seed=_numbers,
        end=st.sampled_from(["commit", "abort", "later: commit", "later: abort"]),
    )
    def send_in_transaction(self, count: int, seed: int, end: str) -> None:
        self.world.send_in_transaction(count, seed, end)

    @precondition(lambda self: self.world.partitions < _MOST_PARTITIONS)
    @rule()
    def raise_partitions(self) -> None:
        self.world.raise_partitions()

    @rule(partitions=st.integers(1, 3), with_events=st.booleans())
    def make_topics_anew_in_other_parts(self, partitions: int, with_events: bool) -> None:
        self.world.make_topics_anew(partitions, with_events)

    @rule(number=_numbers)
    def delete_records(self, number: int) -> None:
        self.world.delete_records(number)

    @rule(to=st.sampled_from(["earliest", "latest", "deleted"]))
    def move_commits(self, to: str) -> None:
        self.world.move_commits(to)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has changed is noticed sooner than in earnest."""
    monkeypatch.setattr("adloom.stream.membership.running._CHECK_EVERY_SECONDS", 1.0)
    monkeypatch.setattr("adloom.stream.outages._LONGEST_PAUSE_SECONDS", 1.0)
    monkeypatch.setattr("adloom.stream.membership.member._METADATA_MILLISECONDS", 1_000)


Worlds = Callable[[KafkaSettings, float], Callable[[], World]]


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.long)])
def worlds(request: pytest.FixtureRequest, tmp_path: Path) -> Worlds:
    """Makes worlds on a broker, each with topics, a store and a log of its own."""
    settings = FeatureStoreSettings()
    redis: LocalRedis | None = None
    if request.param == "redis":
        redis = request.getfixturevalue("redis")
        settings = FeatureStoreSettings(online="redis", redis_url=SecretStr(redis.url))

    def on(kafka: KafkaSettings, calm_seconds: float) -> Callable[[], World]:
        def make() -> World:
            name = f"test-{uuid.uuid4().hex[:12]}"
            home = tmp_path / name

            def online() -> OnlineFaults:
                return RedisFaults(redis.url) if redis else SqliteFaults(home / "online.db")

            given = {"topic_prefix": name, "group_id": name}
            own = kafka.model_copy(update=given)
            return World(own, settings, home, online, calm_seconds)

        return make

    return on


def try_sequences(request: pytest.FixtureRequest, faults: type[Faults], worlds: Any) -> None:
    number = request.config.getoption("faults")
    run_state_machine_as_test(
        cast(Any, lambda: faults(worlds)),
        settings=rules_of(
            max_examples=number or 3,
            stateful_step_count=30 if number else 20,
            derandomize=not number,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if number else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.timeout(20_000)
def test_any_sequence_on_apache_kafka(
    apache_kafka: KafkaSettings, worlds: Worlds, request: pytest.FixtureRequest
) -> None:
    try_sequences(request, ApacheFaults, worlds(apache_kafka, 0.0))


@pytest.mark.slow
@pytest.mark.timeout(20_000)
def test_any_sequence_on_the_local_broker(
    local_kafka: KafkaSettings, worlds: Worlds, request: pytest.FixtureRequest
) -> None:
    try_sequences(request, Faults, worlds(local_kafka, local_kafka.session_seconds))
