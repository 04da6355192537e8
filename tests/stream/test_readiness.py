"""Whether a consumer is ready, why not, and what someone should see to: for programs and people."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest
from kafka.errors import NotCoordinatorError

from adloom.feature_store.store import FeaturesLost, FeatureStore, StoreUnavailable
from adloom.stream.cluster.partitions import UnevenTopics
from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused
from adloom.stream.consumer import EventConsumer
from adloom.stream.membership.condition import Condition, ConsumerState
from adloom.stream.membership.running import run_until
from adloom.stream.monitor import monitor
from adloom.stream.settings import KafkaSettings
from tests.stream.test_consumer import produce, running, wait_until
from tests.stream.test_outages import clicks, clicks_of
from tests.stream.test_unreadable import problem, send


def readyz(state: ConsumerState) -> tuple[int, dict[str, Any]]:
    with monitor("127.0.0.1", 0, lambda: state) as address:
        try:
            with urllib.request.urlopen(f"{address}/readyz") as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def test_readyz_says_why_not_and_what_to_see_to() -> None:
    assert readyz(ConsumerState(True, None, ())) == (200, {"status": "ready"})
    assert readyz(ConsumerState(True, None, ("look",))) == (
        200,
        {"status": "ready", "notes": ["look"]},
    )
    assert readyz(ConsumerState(False, "Redis is away", ())) == (
        503,
        {"status": "not ready", "problem": "Redis is away"},
    )


def test_it_is_not_ready_before_it_has_begun_nor_after_its_end(
    kafka: KafkaSettings, store: FeatureStore
) -> None:
    consumer = EventConsumer(kafka, store)
    assert not consumer.ready
    with running(consumer):
        wait_until(lambda: consumer.ready)
        assert problem(consumer) == ""
    assert problem(consumer) == "it has ended"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_consumer_that_ends_by_a_mistake_does_not_look_ready(
    kafka: KafkaSettings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: Any) -> int:
        raise ZeroDivisionError("a mistake")

    with running(EventConsumer(kafka, store)) as consumer:
        wait_until(lambda: consumer.ready)
        monkeypatch.setattr(store, "apply", mistaken)
        produce(kafka, *clicks(0, 1))
        wait_until(lambda: not consumer.ready)
        assert problem(consumer) == "it ended by an error: ZeroDivisionError: a mistake"


def too_short_a_session(kafka: KafkaSettings) -> KafkaSettings:
    return kafka.model_copy(update={"session_seconds": 1.0})


def test_what_the_cluster_refuses_ends_a_consumer(
    apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    with EventConsumer(too_short_a_session(apache_kafka), store) as consumer:
        with pytest.raises(KafkaRefused, match=r"kafka\.session_seconds"):
            consumer.run(threading.Event())
        assert not consumer.ready


def test_what_the_cluster_refuses_is_told_by_one_that_is_patient(
    apache_kafka: KafkaSettings, store: FeatureStore
) -> None:
    consumer, stop = EventConsumer(too_short_a_session(apache_kafka), store), threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop,), kwargs={"patient": True})
    thread.start()
    wait_until(lambda: "kafka.session_seconds" in problem(consumer))
    stop.set()
    thread.join()
    consumer.close()


def test_a_user_in_two_partitions_is_told_and_counted_right(
    kafka: KafkaSettings, store: FeatureStore
) -> None:
    with running(EventConsumer(kafka, store)) as consumer:
        produce(kafka, *clicks(0, 14))
        wait_until(lambda: clicks_of(store) == 14)
        assert not consumer.state.notes
        for partition, names in [(0, "abc"), (1, "def")]:
            send(kafka, partition, names, user_id="wanderer")
        wait_until(lambda: clicks_of(store) == 20 and bool(consumer.state.notes))
        [note] = consumer.state.notes
        assert "murmur2_random" in note
        wait_until(lambda: consumer.ready)
    assert store.user_stats(["wanderer"])["wanderer"].clicks == 6


def test_notes_are_the_same_for_all_who_ask() -> None:
    condition = Condition()
    condition.notes.tell("once")
    condition.notes.tell("once")
    assert condition.state == ConsumerState(False, "it has not begun yet", ("once",))


@pytest.mark.parametrize(
    ("error", "failing"),
    [
        (BrokerUnavailable("away"), False),
        (NotCoordinatorError(), False),
        (UnevenTopics({"clicks": 1, "exposures": 2}), False),
        (StoreUnavailable("away"), True),
        (FeaturesLost("run adloom backfill"), True),
        (OSError("no space left on device"), True),
    ],
)
def test_only_what_cannot_be_applied_makes_a_consumer_fail(error: Exception, failing: bool) -> None:
    condition, stop, found = Condition(), threading.Event(), []

    class Polls:
        def check(self) -> None:
            pass

        def poll(self) -> int:
            found.append(condition.failing)
            if len(found) == 2:
                raise error
            if len(found) == 3:
                stop.set()
            return 0

        def problem(self) -> str:
            return "it waits for its partitions"

    run_until(stop, Polls(), condition, KafkaSettings(), patient=True)
    assert found == [False, False, failing]
    assert condition.failing  # it has ended


def test_lost_features_are_told_until_they_are_made_anew(
    kafka: KafkaSettings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on by itself after `adloom backfill`; until then nothing is read over."""
    real, lost = store.apply, [True]

    def apply(events: Any, reached: Any = ()) -> int:
        if events and lost[0]:
            raise FeaturesLost("rows are gone: run adloom backfill")
        return real(events, reached)

    monkeypatch.setattr(store, "apply", apply)
    with running(EventConsumer(kafka, store)) as consumer:
        produce(kafka, *clicks(0, 20))
        wait_until(lambda: problem(consumer) == "rows are gone: run adloom backfill")
        assert clicks_of(store) == 0
        produce(kafka, *clicks(20, 5))
        for _ in store.rebuild(store.log.batches()):
            pass
        lost[0] = False
        wait_until(lambda: clicks_of(store) == 25 and consumer.ready)
    assert len(store.log.read("click")) == 25
