"""`POST /v1/events` takes adloom's events and the shop's own, and refuses in its terms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from adloom.feature_store.store import FeatureStore
from adloom.loop.serving.http.access import Access
from adloom.loop.serving.http.errors import answer_errors
from adloom.loop.serving.http.events import mount_events
from adloom.loop.serving.http.pools import new_pools
from adloom.loop.settings.serving import ServeSettings
from adloom.stream.consumer import EventConsumer
from adloom.stream.event_reader import EventReader
from adloom.stream.event_settings import EventSettings, KindSource
from adloom.stream.forgotten import NOBODY
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics
from tests.stream.test_consumer import consume

SHOP = EventSettings.model_validate(
    {
        "fields": {
            "user_id": "uid",
            "item_id": "items.0.sku",
            "ts": {"path": "timestamp", "unit": "ms"},
            "event_id": "hash",
        },
        "kind": {"path": "type", "click": ["tap"], "impression": ["view"]},
        "drop": [{"field": "agent", "matches": "(?i)bot"}],
    }
)
OWN: dict[str, Any] = {"uid": 7, "items": [{"sku": 12}], "timestamp": 1_704_067_200_000}
ADLOOMS = {"event_id": "c1", "ts": "2024-01-01T00:00:00Z", "user_id": "ann", "item_id": "shoe"}


@contextmanager
def serving(kafka: KafkaSettings, events: EventSettings | None) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.access, app.state.pools = Access(ServeSettings()), new_pools(256)
    mount_events(app, EventReader(kafka, events))
    answer_errors(app)
    with EventProducer(kafka) as producer, TestClient(app) as client:
        app.state.server = SimpleNamespace(producer=producer, loses_events=False, forgotten=NOBODY)
        yield client


@pytest.fixture
def shop(kafka: KafkaSettings) -> Iterator[TestClient]:
    with serving(kafka, SHOP) as client:
        yield client


def test_own_events_reach_the_features(
    shop: TestClient, kafka: KafkaSettings, store: FeatureStore
) -> None:
    body = {
        "clicks": [OWN, OWN | {"agent": "GoogleBot"}],
        "impressions": [OWN],
        "events": [OWN | {"type": "tap"}, OWN | {"type": "buy"}],
    }
    answer = shop.post("/v1/events", json=body)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 3, "dropped": 2})
    with EventConsumer(kafka, store, SHOP) as consumer:
        consume(consumer, 3)
        assert consumer.counts.dead_letters == {}
    stats = store.item_stats(["12"])["12"]
    assert (stats.impressions, stats.clicks) == (1, 2)


def test_events_in_adlooms_form_are_taken_beside_them(
    shop: TestClient, kafka: KafkaSettings, store: FeatureStore
) -> None:
    answer = shop.post("/v1/events?form=adloom", json={"clicks": [ADLOOMS]})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "dropped": 0})
    with EventConsumer(kafka, store, SHOP) as consumer:
        consume(consumer, 1)
    assert len(store.history("ann")) == 1


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"clicks": [OWN, OWN | {"timestamp": "soon"}]}, ["clicks", 1, "timestamp"]),
        ({"clicks": [OWN | {"timestamp": 9e12}]}, ["clicks", 0, "timestamp"]),
        ({"impressions": [OWN | {"items": []}]}, ["impressions", 0, "items", 0, "sku"]),
        ({"events": [OWN]}, ["events", 0, "type"]),
        ({"clicks": [OWN | {"context": {"a": "b" * 70_000}}]}, ["clicks", 0]),
        ({"clicks": ["tap"]}, ["clicks", 0]),
        ({"taps": []}, ["taps"]),
        ({"clicks": [OWN] * 1_001}, ["clicks"]),
    ],
)
def test_a_refusal_names_the_place_and_nothing_is_sent(
    body: Any, place: list[Any], shop: TestClient
) -> None:
    answer = shop.post("/v1/events", json=body)
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["loc"] == ["body", *place]
    assert "soon" not in answer.text


def test_exposures_are_adlooms_own_and_cannot_be_posted(kafka: KafkaSettings) -> None:
    """Clicks on ads that adloom drew are labelled by them: see `adloom.loop.learning.showings`."""
    kind = {"path": "type", "exposure": ["shown"], "click": ["tap"]}
    told = SHOP.model_copy(update={"kind": KindSource.model_validate(kind)})
    with serving(kafka, told) as client:
        body = {"events": [OWN | {"type": "tap"}, OWN | {"type": "shown"}]}
        answer = client.post("/v1/events", json=body)
        assert answer.status_code == 422
        [problem] = answer.json()["detail"]
        assert problem["loc"] == ["body", "events", 1]
        assert "adloom logs itself" in problem["msg"]
        posted = {"exposures": [ADLOOMS]}
        assert client.post("/v1/events?form=adloom", json=posted).status_code == 422
        assert client.post("/v1/events", json=posted).status_code == 422


def test_rules_leave_out_events_in_adlooms_form_too(kafka: KafkaSettings) -> None:
    events = EventSettings.model_validate({"drop": [{"field": "bot", "equals": True}]})
    with serving(kafka, events) as client:
        body = {"clicks": [ADLOOMS, ADLOOMS | {"bot": True}], "impressions": []}
        assert client.post("/v1/events", json=body).json() == {"accepted": 1, "dropped": 1}


def test_the_schema_tells_the_form_that_is_taken(kafka: KafkaSettings) -> None:
    def lists(events: EventSettings | None) -> set[str]:
        with serving(kafka, events) as client:
            paths = client.get("/openapi.json").json()["paths"]
        content = paths["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
        return set(content["schema"]["properties"])

    assert lists(None) == {"impressions", "clicks", "outcomes"}
    assert lists(SHOP) == {"impressions", "clicks", "outcomes", "events"}


PURCHASE = {key: ADLOOMS[key] for key in ("event_id", "ts", "user_id")} | {"name": "purchase"}


def test_outcomes_reach_the_log_where_their_topic_is_named(
    kafka: KafkaSettings, store: FeatureStore
) -> None:
    topics = {"outcomes": f"{kafka.topic_prefix}.outcomes"}
    selling = KafkaSettings.model_validate(kafka.model_dump() | {"topics": topics})
    create_topics(selling)
    with serving(selling, None) as client:
        body = {"clicks": [ADLOOMS], "outcomes": [PURCHASE | {"value": 5}]}
        answer = client.post("/v1/events", json=body)
        assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
        bad = client.post("/v1/events", json={"outcomes": [PURCHASE | {"value": "much"}]})
        assert bad.status_code == 422
    with EventConsumer(selling, store) as consumer:
        consume(consumer, 2)
    [extra] = store.log.read("outcome")["extra"]
    assert json.loads(extra) == {"name": "purchase", "value": 5.0}


def test_outcomes_are_refused_where_nobody_reads_them(kafka: KafkaSettings) -> None:
    with serving(kafka, None) as client:
        answer = client.post("/v1/events", json={"outcomes": [PURCHASE]})
    assert answer.status_code == 422
    assert "kafka.topics.outcomes" in answer.text
