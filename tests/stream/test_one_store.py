"""Members of one group that write to stores of their own would each count a part of the events."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kafka.protocol.consumer.metadata import ConsumerProtocolSubscription

from adloom.feature_store.naming import Name
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.stream.consumer import EventConsumer
from adloom.stream.membership.one_store import OneStoreAssignor
from adloom.stream.settings import KafkaSettings
from tests.sample_events import click
from tests.stream.test_consumer import produce, running, wait_until

USERS = [f"user-{number}" for number in range(40)]


def test_a_member_on_another_store_reads_nothing_says_so_and_takes_over_alone(
    kafka: KafkaSettings, store: FeatureStore, tmp_path: Path
) -> None:
    with (
        FeatureStore.open(FeatureStoreSettings(), tmp_path / "elsewhere") as other_store,
        ExitStack() as first,
    ):
        one = first.enter_context(running(EventConsumer(kafka, store)))
        produce(kafka, *(click(f"a{n}", user_id=user) for n, user in enumerate(USERS)))
        wait_until(lambda: one.counts.consumed == len(USERS))
        with running(EventConsumer(kafka, other_store)) as other:
            wait_until(lambda: "another feature store" in (other.state.problem or ""))
            produce(kafka, *(click(f"b{n}", user_id=user) for n, user in enumerate(USERS)))
            wait_until(lambda: one.counts.consumed == 2 * len(USERS))
            assert one.ready
            assert other.counts.consumed == 0
            assert str(tmp_path / "elsewhere") in (other.state.problem or "")
            assert str(store.folder) in (other.state.problem or "")
            first.close()
            wait_until(lambda: other.ready and other.counts.consumed == 2 * len(USERS))
        assert other_store.item_stats(["shoe"])["shoe"].clicks == 2 * len(USERS)
    assert store.item_stats(["shoe"])["shoe"].clicks == 2 * len(USERS)


def shares(assignor: OneStoreAssignor, **stores: str) -> dict[str, int]:
    """How many of eight partitions each member gets; of some, by where they write."""
    assignor.metadata(["clicks"])
    members = [
        SimpleNamespace(
            member_id=name,
            group_instance_id=None,
            metadata=ConsumerProtocolSubscription(
                0, ["clicks"], f"{place}\nat {place}".encode() if place else b""
            ),
        )
        for name, place in stores.items()
    ]
    cluster: Any = SimpleNamespace(partitions_for_topic=lambda topic: set(range(8)))
    shared = assignor.assign(cluster, members)
    return {name: len(assignment.partitions()) for name, assignment in shared.items()}


def test_who_writes_where_most_do_gets_all_partitions() -> None:
    at_a = OneStoreAssignor(lambda: Name("A", "at A"))
    assert shares(at_a, one="A", two="A") == {"one": 4, "two": 4}
    assert shares(at_a, one="A", two="B", three="A") == {"one": 4, "two": 0, "three": 4}
    assert shares(at_a, one="B", two="A") == {"one": 0, "two": 8}
    assert shares(at_a, one="B", two="A", three="B") == {"one": 4, "two": 0, "three": 4}


def test_who_cannot_tell_where_it_writes_is_not_kept_out() -> None:
    """Its store is away, or it is of an earlier release."""
    assert shares(OneStoreAssignor(lambda: None), one="", two="") == {"one": 4, "two": 4}
    assert shares(OneStoreAssignor(lambda: Name("A", "at A")), one="A", two="") == {
        "one": 4,
        "two": 4,
    }
