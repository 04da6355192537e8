"""From Kafka into the features, each event once, whatever happens on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kafka import KafkaConsumer

from adloom.feature_store.store import FeatureStore, StoreUnavailable
from adloom.stream.consumer import EventConsumer
from adloom.stream.dead_letter import DeadLetter
from adloom.stream.events import Reason, encode
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import dead_letter_topic, topic_of
from tests.sample_events import at, click, exposure, impression

_PATIENCE_SECONDS = 60.0


class Crash(Exception):
    """Stands for the end of the process."""


def produce(kafka: KafkaSettings, *events: Any) -> int:
    with EventProducer(kafka) as producer:
        for event in events:
            producer.send(event)
        producer.flush()
        return producer.produced


def accounted(consumer: EventConsumer) -> int:
    return consumer.counts.consumed + sum(consumer.counts.dead_letters.values())


def consume(consumer: EventConsumer, expected: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while accounted(consumer) < expected:
        assert time.monotonic() < deadline, consumer.counts
        consumer.poll()
    consumer.poll()  # whatever comes beyond the expected would show


def dead_letters(kafka: KafkaSettings, expected: int) -> list[DeadLetter]:
    reader = KafkaConsumer(
        dead_letter_topic(kafka),
        **kafka.client_options(),
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    letters = [
        DeadLetter.model_validate_json(record.value)
        for _, record in zip(range(expected), reader, strict=False)
    ]
    reader.close()
    return letters


def state(store: FeatureStore) -> tuple[Any, ...]:
    users, items = ["ann", "bob"], ["shoe", "bag"]
    log = store.log.read()[["kind", "event_id", "partition", "offset"]]
    return (
        store.histories(users),
        store.user_stats(users),
        store.item_stats(items),
        sorted(map(tuple, log.to_numpy().tolist())),
    )


MIXED = [
    impression("i1", 0),
    exposure("x1", 1, item_id="bag", user_id="bob", variant="b", propensity=0.25),
    click("c1", 2, ad_id="ad-1"),
    click("c1", 2, ad_id="ad-1"),
    click("c2", 3, item_id="bag", user_id="bob"),
    impression("i1", 0),
]


def test_events_become_features_and_log(kafka: KafkaSettings, store: FeatureStore) -> None:
    produced = produce(kafka, *MIXED)
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, produced)
        assert consumer.counts.consumed == produced
        assert consumer.counts.features_written > 0
        assert consumer.lag == 0
    history = store.history("ann")
    assert (history.item_ids, history.clicked_at, history.ad_ids) == (
        ("shoe",),
        (at(2),),
        ("ad-1",),
    )
    shoe, bag = store.item_stats(["shoe", "bag"]).values()
    assert (shoe.impressions, shoe.clicks, bag.impressions, bag.clicks) == (1, 1, 1, 1)
    log = store.log.read("exposure")
    assert log["propensity"].tolist() == [0.25]
    assert len(store.log.read()) == 4


POISON = {
    Reason.TOO_LARGE: b"x" * 70_000,
    Reason.NOT_JSON: b"\xff\x00not json",
    Reason.MISSING_FIELD: b'{"event_id": "e"}',
    Reason.WRONG_TYPE: encode(click("e")).replace(b'"ann"', b"7"),
    Reason.OUT_OF_RANGE: encode(click("e")).replace(b'"ann"', b'""'),
    Reason.NO_TIME_ZONE: encode(click("e")).replace(b"00Z", b"00"),
    Reason.FUTURE_TIMESTAMP: encode(click("e")).replace(b"2026-", b"2999-"),
    Reason.UNSUPPORTED_VERSION: encode(click("e")).replace(b'"version":1', b'"version":9'),
}


def test_poison_is_set_aside_and_the_rest_goes_on(
    kafka: KafkaSettings, store: FeatureStore
) -> None:
    topic = topic_of(kafka, "click")
    with EventProducer(kafka) as producer:
        producer.send(click("before", 1))
        for payload in POISON.values():
            producer.send_payload(topic, None, payload)
        producer.send(click("after", 2))
        producer.flush()
        produced = producer.produced
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, produced)
        assert consumer.counts.dead_letters == dict.fromkeys(POISON, 1)
        assert accounted(consumer) == produced
    letters = dead_letters(kafka, len(POISON))
    assert {letter.reason for letter in letters} == set(POISON)
    assert all(letter.topic == topic and letter.detail for letter in letters)
    assert len({(letter.partition, letter.offset) for letter in letters}) == len(POISON)
    assert len(store.history("ann")) == 2


def test_a_record_without_a_value_is_poison_too(kafka: KafkaSettings, store: FeatureStore) -> None:
    with EventProducer(kafka) as producer:
        producer.send_payload(topic_of(kafka, "click"), b"ann", None)
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 1)
        assert consumer.counts.dead_letters == {Reason.NOT_JSON: 1}


STEPS = ["_update_features", "_bury_dead_letters", "append", "_settle"]


def crash_after(owner: object, step: str) -> None:
    done: Callable[..., Any] = getattr(owner, step)

    def then_crash(*args: Any) -> None:
        done(*args)
        if args[0]:
            raise Crash(step)

    setattr(owner, step, then_crash)


def poll_for_ever(consumer: EventConsumer) -> None:
    while True:
        consumer.poll()


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_after_any_step_changes_nothing(
    step: str, kafka: KafkaSettings, store: FeatureStore
) -> None:
    produced = produce(kafka, *MIXED)
    with EventProducer(kafka) as producer:
        producer.send_payload(topic_of(kafka, "click"), b"ann", b"poison")
    with FeatureStore.open(store.settings, store.folder) as crashed:
        consumer = EventConsumer(kafka, crashed)
        crash_after(crashed.log if step == "append" else consumer, step)
        with consumer, pytest.raises(Crash):
            poll_for_ever(consumer)
        assert accounted(consumer) == (produced + 1 if step in ("append", "_settle") else 0)
    again = 0 if step == "_settle" else produced + 1
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, again)
        assert accounted(consumer) == again
    histories, users, items, log = state(store)
    assert [len(history) for history in histories.values()] == [1, 1]
    assert [(user.impressions, user.clicks) for user in users.values()] == [(1, 1), (1, 1)]
    assert [(item.impressions, item.clicks) for item in items.values()] == [(1, 1), (1, 1)]
    assert len(log) == 4


def test_a_failed_batch_comes_again_in_the_same_process(
    kafka: KafkaSettings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    produced = produce(kafka, *MIXED)
    real, failures, ready = store.apply, iter([StoreUnavailable("away")] * 2), []

    def unsteady(events: Any, reached: Any) -> int:
        if events:
            ready.append(consumer.ready)
            for failure in failures:
                raise failure
        return real(events, reached)

    monkeypatch.setattr(store, "apply", unsteady)
    consumer = EventConsumer(kafka, store)
    with running(consumer):
        wait_until(lambda: accounted(consumer) == produced)
        wait_until(lambda: consumer.ready)
    assert ready[1:3] == [False, False]
    assert len(store.history("ann")) == 1


class Recorder(threading.Event):
    """Takes the pauses down instead of waiting, and ends the run after ten."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        if len(self.pauses) == 10:
            self.set()
        return self.is_set()


def test_pauses_grow_up_to_a_limit_and_are_random(
    kafka: KafkaSettings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(store, "ping", away)
    stop = Recorder()
    with EventConsumer(kafka, store) as consumer:
        consumer.run(stop)
        assert not consumer.ready
    longest = [min(0.2 * 2.0**n, 10.0) for n in range(10)]
    assert all(most / 2 <= p <= most for p, most in zip(stop.pauses, longest, strict=True))
    assert len({p / most for p, most in zip(stop.pauses, longest, strict=True)}) == 10


@contextmanager
def running(consumer: EventConsumer) -> Iterator[EventConsumer]:
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    try:
        yield consumer
    finally:
        stop.set()
        thread.join()
        consumer.close()


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_members_share_the_work(kafka: KafkaSettings, store: FeatureStore) -> None:
    users = [f"user-{number}" for number in range(40)]
    with (
        FeatureStore.open(store.settings, store.folder) as other_store,
        running(EventConsumer(kafka, store)) as one,
        running(EventConsumer(kafka, other_store)) as other,
    ):
        produced = 0
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (one.counts.consumed and other.counts.consumed):
            assert time.monotonic() < deadline
            more = [click(f"c{produced + n}", user_id=user) for n, user in enumerate(users)]
            produced += produce(kafka, *more)
            time.sleep(0.5)
        wait_until(lambda: len(store.log.read()) == produced)
        wait_until(lambda: one.lag + other.lag == 0)
    assert store.item_stats(["shoe"])["shoe"].clicks == produced
    rounds = produced // len(users)
    assert {stats.clicks for stats in store.user_stats(users).values()} == {rounds}
