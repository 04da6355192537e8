"""A sale that the shop posts comes through Kafka and the log into the experiment's report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from adloom.feature_store.store import FeatureStore
from adloom.loop.experiments.report import report_experiment
from adloom.stream.consumer import EventConsumer
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics
from tests.experiment_data import experiment
from tests.loop.serving.test_events_api import serving
from tests.sample_events import exposure
from tests.stream.test_consumer import consume

HOUR = timedelta(hours=1)
BEGUN = datetime.now(UTC).replace(microsecond=0) - 48 * HOUR


def test_a_posted_sale_counts_in_the_arm_of_its_user(
    kafka: KafkaSettings, store: FeatureStore
) -> None:
    topics = {"outcomes": f"{kafka.topic_prefix}.outcomes"}
    selling = KafkaSettings.model_validate(kafka.model_dump() | {"topics": topics})
    create_topics(selling)
    with EventProducer(selling) as producer:
        for user, arm in (("ann", "control"), ("bob", "other")):
            shown: dict[str, Any] = {"user_id": user, "ad_id": "ad", "variant": arm}
            producer.send(exposure(f"x-{user}", propensity=0.5, ts=BEGUN + HOUR, **shown))
        producer.flush()
    sale: dict[str, Any] = {"name": "purchase", "value": 30, "user_id": "bob"}
    with serving(selling, None) as shop:
        for number, hours in enumerate((0.5, 2, 2.5, 40)):  # the second and third are in time
            posted = sale | {"event_id": f"s{number}", "ts": (BEGUN + hours * HOUR).isoformat()}
            for _ in range(2):  # what is posted again counts once
                assert shop.post("/v1/events", json={"outcomes": [posted]}).status_code == 202
    with EventConsumer(selling, store) as consumer:
        consume(consumer, 2 + 8)
    trial = experiment(
        start=BEGUN,
        metrics={
            "revenue": {"event": "purchase"},
            "orders": {"event": "purchase", "value": "count", "per": "ad"},
        },
    )
    found = report_experiment(store.log, "trial", trial, attribution=24 * HOUR)
    told = found.as_json()["metrics"]
    for name, value in (("revenue", 60.0), ("orders", 2.0)):
        arms = told[name]["arms"]
        assert {arm: one["value"] for arm, one in arms.items()} == {"control": 0.0, "other": value}
        assert arms["other"]["users"] == 1
    assert found.judgement.verdict == "collecting"
