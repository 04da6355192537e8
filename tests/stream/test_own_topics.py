"""Topics with names of their own, and several kinds of events in one of them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from pydantic import ValidationError

from adloom.feature_store.store import FeatureStore
from adloom.loop.replay.past_events import from_kafka
from adloom.loop.settings import Settings
from adloom.stream.burial import replay_letters, waiting_letters
from adloom.stream.consumer import EventConsumer
from adloom.stream.event_settings import EventSettings
from adloom.stream.events import InvalidEvent, Reason
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import connect_admin, create_topics, topic_ids
from tests.sample_events import click, exposure
from tests.stream.test_consumer import accounted, consume, dead_letters

EVENTS = EventSettings.model_validate(
    {
        "fields": {
            "user_id": "uid",
            "item_id": "sku",
            "ts": {"path": "at", "unit": "s"},
            "event_id": "hash",
        },
        "kind": {"path": "type", "click": ["tap"], "impression": ["view"]},
        "drop": [{"field": "agent", "matches": "(?i)bot"}],
    }
)


@pytest.fixture
def shared(kafka: KafkaSettings) -> KafkaSettings:
    """One topic for all three kinds."""
    name = f"shop.{uuid.uuid4().hex[:8]}"
    topics = dict.fromkeys(("impressions", "clicks", "exposures"), name)
    settings = KafkaSettings.model_validate(kafka.model_dump() | {"topics": topics})
    create_topics(settings)
    return settings


def changed(**changes: Any) -> EventSettings:
    return EventSettings.model_validate(EVENTS.model_dump(exclude_unset=True) | changes)


def own(kind: str, at: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "uid": 7, "sku": 12, "at": 1_704_067_200 + at} | more


def send(kafka: KafkaSettings, *payloads: dict[str, Any]) -> int:
    with EventProducer(kafka) as producer:
        for payload in payloads:
            producer.send_payload(kafka.topic("clicks"), b"7", json.dumps(payload).encode())
        producer.flush()
        return producer.produced


def test_one_topic_of_all_kinds_becomes_features(
    shared: KafkaSettings, store: FeatureStore
) -> None:
    sent = send(shared, own("view", 0), own("tap", 1), own("tap", 1), own("buy", 2))
    sent += send(shared, own("view", 3, agent="SpyBot"), own("view", 4, uid=None))
    with EventProducer(shared) as producer:
        producer.send(exposure("x", user_id="7", item_id="12"))
        producer.send(click("c", user_id="7", item_id="12", ad_id="ad-1"))
    with EventConsumer(shared, store, EVENTS) as consumer:
        while accounted(consumer) + sum(consumer.counts.dropped.values()) < sent + 2:
            consumer.poll()
        counts = consumer.counts
        assert counts.dropped == {"kind": 1, "agent": 1}
        assert counts.dead_letters == {Reason.MISSING_FIELD: 1}
        assert consumer.lag == 0
    stats = store.item_stats(["12"])["12"]
    assert (stats.impressions, stats.clicks) == (2, 2)  # what is the same twice counts once
    assert store.log.read()["kind"].value_counts().to_dict() == {
        "impression": 1,
        "click": 2,
        "exposure": 1,
    }
    assert sum(store.rebuild(from_kafka(shared, EVENTS))) == 5
    again = store.item_stats(["12"])["12"]
    assert (again.impressions, again.clicks) == (2, 2)


def test_a_batch_of_nothing_but_dropped_events_is_done_with(
    shared: KafkaSettings, store: FeatureStore
) -> None:
    send(shared, own("buy", 1), own("buy", 2))
    with EventConsumer(shared, store, EVENTS) as consumer:
        while sum(consumer.counts.dropped.values()) < 2:
            consumer.poll()
    send(shared, own("tap", 3))
    with EventConsumer(shared, store, EVENTS) as consumer:
        consume(consumer, 1)
        assert consumer.counts.dropped == {}


def test_a_dead_letter_keeps_the_payload_and_is_an_event_under_another_map(
    shared: KafkaSettings, store: FeatureStore
) -> None:
    payload = own("tap", 1, uid=None, user="ann")
    send(shared, payload)
    with EventConsumer(shared, store, EVENTS) as consumer:
        consume(consumer, 1)
    [letter] = dead_letters(shared, 1)
    assert (json.loads(letter.payload), letter.detail) == (payload, "uid: Field required")
    assert [kept.key for kept in replay_letters(shared, own_events=EVENTS).refused] == [letter.key]
    fields = EVENTS.fields
    assert fields is not None
    better = EVENTS.model_copy(
        update={
            "fields": fields.model_validate(
                {**fields.model_dump(exclude_unset=True), "user_id": "user"}
            )
        }
    )
    assert replay_letters(shared, own_events=better).sent == [letter]
    with EventConsumer(shared, store, better) as consumer:
        consume(consumer, 1)
    assert len(store.history("ann")) == 1


def test_a_letter_that_a_rule_leaves_out_now_waits_no_longer(
    shared: KafkaSettings, store: FeatureStore
) -> None:
    send(shared, own("tap", 1, uid=None))
    with EventConsumer(shared, store, EVENTS) as consumer:
        consume(consumer, 1)
    rules = changed(drop=[{"field": "type", "equals": "tap"}])
    assert len(replay_letters(shared, own_events=rules).dropped) == 1
    assert waiting_letters(shared) == []


def test_a_letter_of_adlooms_own_form_stays_one(shared: KafkaSettings, store: FeatureStore) -> None:
    late = click("c", user_id="u" * 100, seconds=0)
    with EventProducer(shared) as producer:
        payload = late.model_copy(update={"ts": late.ts.replace(year=2150)})
        producer.send(payload)
    with EventConsumer(shared, store, EVENTS) as consumer:
        consume(consumer, 1)
    [letter] = dead_letters(shared, 1)
    assert letter.reason is Reason.FUTURE_TIMESTAMP
    [refused] = replay_letters(shared, own_events=EVENTS).refused
    assert refused.reason is Reason.FUTURE_TIMESTAMP


def test_new_topics_get_the_partitions_of_those_that_are_there(kafka: KafkaSettings) -> None:
    name = f"shop.{uuid.uuid4().hex[:8]}"
    own_clicks = kafka.model_dump() | {"topics": {"clicks": f"{kafka.topic_prefix}.clicks"}}
    settings = KafkaSettings.model_validate(own_clicks | {"topic_prefix": name, "partitions": 5})
    create_topics(settings)
    assert len(topic_ids(settings)) == 3  # it refuses topics that differ
    admin = connect_admin(settings)
    [described] = admin.describe_topics([f"{name}.impressions"])
    admin.close()
    assert len(described["partitions"]) == kafka.partitions


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"kafka": {"topics": {"click": "a"}}}, "kafka.topics.click"),
        ({"kafka": {"topics": {"clicks": "a b"}}}, "kafka.topics.clicks"),
        ({"kafka": {"topics": {"deadletter": "adloom.clicks"}}}, "topics.deadletter: 'adloom.clic"),
        ({"kafka": {"topics": {"products": "x", "deadletter": "x"}}}, "topics.deadletter: 'x'"),
        ({"kafka": {"topics": {"clicks": "adloom.impressions"}}}, "set events.kind"),
    ],
)
def test_names_that_clash_are_refused_by_key(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**settings)
    told = [f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in caught.value.errors()]
    assert problem in "; ".join(told)


def test_kinds_that_share_a_topic_need_something_that_tells_them(shared: KafkaSettings) -> None:
    with pytest.raises(ValueError, match=r"kafka\.topics\.impressions.* set events\.kind"):
        list(from_kafka(shared))
    assert InvalidEvent(Reason.NOT_JSON, "x").field is None
