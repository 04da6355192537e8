"""Outcomes, such as purchases: they come like other events, and change no features."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adloom.feature_store.checking import check_all
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.store import FeatureStore
from adloom.loop.replay.past_events import PastEvents
from adloom.stream.consumer import EventConsumer
from adloom.stream.event_reader import EventReader
from adloom.stream.event_settings import EventSettings
from adloom.stream.events import Click, InvalidEvent, Outcome, Reason, encode, parse
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics, event_topics
from tests.sample_events import click, exposure, logged, outcome
from tests.stream.test_consumer import consume, produce

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BOUGHT = outcome("o1", 5, value=59.9, ad_id="ad-1", currency="EUR")


@pytest.fixture
def selling(kafka: KafkaSettings) -> KafkaSettings:
    """A cluster with a topic of outcomes."""
    topics = {"outcomes": f"{kafka.topic_prefix}.outcomes"}
    settings = KafkaSettings.model_validate(kafka.model_dump() | {"topics": topics})
    create_topics(settings)
    return settings


def kept(store: FeatureStore) -> list[dict[str, Any]]:
    return [json.loads(extra) for extra in store.log.read("outcome")["extra"]]


def test_outcomes_are_logged_once_and_change_no_features(
    selling: KafkaSettings, store: FeatureStore
) -> None:
    sent = produce(selling, exposure("x", 0), click("c", 1), BOUGHT, BOUGHT, outcome("o2", 6))
    with EventConsumer(selling, store) as consumer:
        consume(consumer, sent)
        assert consumer.lag == 0
    assert kept(store) == [
        {"currency": "EUR", "name": "purchase", "value": 59.9},
        {"name": "purchase", "value": 1.0},
    ]
    assert store.log.read("outcome")["ad_id"].to_list() == ["ad-1", None]
    counts = store.user_stats(["ann"])["ann"]
    assert (counts.impressions, counts.clicks) == (1, 1)
    assert not check_all(store).differing


def test_what_is_no_outcome_is_a_dead_letter(selling: KafkaSettings, store: FeatureStore) -> None:
    with EventProducer(selling) as producer:
        producer.send_payload(selling.topic("outcomes"), b"ann", encode(click("c")))
        producer.flush()
    with EventConsumer(selling, store) as consumer:
        consume(consumer, 1)
        assert consumer.counts.dead_letters == {Reason.MISSING_FIELD: 1}


def test_without_a_name_there_is_no_topic_of_outcomes(kafka: KafkaSettings) -> None:
    """A login that has no rights on one, and a cluster without it, go on as before."""
    assert f"{kafka.topic_prefix}.outcomes" not in event_topics(kafka)
    assert len(event_topics(kafka)) == 3


def test_a_topic_of_others_is_refused() -> None:
    with pytest.raises(ValidationError, match="is the topic of outcomes already"):
        KafkaSettings.model_validate({"topics": {"outcomes": "t", "products": "t"}})


@pytest.mark.parametrize("value", ["1e13", "-1e400", "NaN", "Infinity"])
def test_a_value_is_a_finite_number_of_a_size_that_adds_up(value: str) -> None:
    told = encode(BOUGHT).replace(b"59.9", value.encode())
    with pytest.raises(InvalidEvent) as refused:
        parse("outcome", told, NOW)
    assert refused.value.reason is Reason.OUT_OF_RANGE
    assert refused.value.field == "value"


def test_an_outcome_needs_no_item() -> None:
    fields = json.loads(encode(BOUGHT))
    del fields["item_id"], fields["value"]
    found = parse("outcome", json.dumps(fields).encode(), NOW)
    assert isinstance(found, Outcome)
    assert (found.item_id, found.value) == ("", 1.0)


SHOP = EventSettings.model_validate(
    {
        "fields": {"user_id": "uid", "event_id": "id", "ts": "at"},
        "outcome": {"name": {"value": "purchase"}, "value": "order.total"},
        "kind": {"path": "type", "click": ["tap"], "outcome": ["order"]},
    }
)
ORDER: dict[str, Any] = {
    "type": "order",
    "uid": 7,
    "id": "o-1",
    "at": "2026-03-01T12:00:00Z",
    "order": {"total": "59.90"},
}


def test_orders_in_the_shops_form_are_outcomes(selling: KafkaSettings) -> None:
    found = EventReader(selling, SHOP).read_own(None, ORDER, NOW)
    assert isinstance(found, Outcome)
    assert (found.user_id, found.name, found.value) == ("7", "purchase", 59.9)


def test_name_and_value_of_other_events_are_kept_as_they_were(selling: KafkaSettings) -> None:
    given = EventSettings.model_validate({"outcome": {"value": "total"}})
    own = json.loads(encode(click("c"))) | {"name": "banner", "value": 3}
    found = EventReader(selling, given).read_own("click", own, NOW)
    assert isinstance(found, Click)
    assert found.model_extra == {"name": "banner", "value": 3}


def of_log(log_rows: list[LoggedEvent]) -> Iterator[dict[str, Any]]:
    for row in log_rows:
        yield row._asdict() | {"ts": row.ts.isoformat()}


def test_outcomes_of_a_file_are_past_events(tmp_path: Path) -> None:
    """With columns of their own, or as the log has them."""
    extra = json.dumps({"name": "purchase", "value": 2.5, "currency": "EUR"})
    rows = list(of_log([logged(0, kind="outcome", item_id="", extra=extra)]))
    rows.append({**rows[0], "event_id": "own", "extra": "", "name": "visit", "value": "4"})
    file = tmp_path / "past.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    [events] = PastEvents(file).batches()
    assert [json.loads(event.extra) for event in events] == [
        {"name": "purchase", "value": 2.5, "currency": "EUR"},
        {"name": "visit", "value": 4.0},
    ]


def test_who_has_only_outcomes_is_not_missed_in_the_features(store: FeatureStore) -> None:
    events = [logged(0), logged(0, kind="outcome", user_id="bob", item_id="")]
    store.apply(events)
    store.log.append(events)
    store.ping()
    assert not check_all(store).differing
    assert list(store.rebuild(store.log.batches())) == [2]
    assert store.user_stats(["bob"])["bob"].impressions == 0
