"""Dead letters are told in the log: at once, and then a line a minute."""

from __future__ import annotations

import pytest
from kafka import KafkaProducer

from adloom.feature_store.store import FeatureStore
from adloom.stream.burial_log import BurialLog
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import topic_of


def test_a_line_a_minute_counts_what_came_since_the_last(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    told = BurialLog(lambda: now)
    told.tell()
    told.add({"not_json": 1})
    told.tell()
    for later in (1.0, 20.0, 59.0):
        now = later
        told.add({"missing_field": 500, "not_json": 2})
        told.tell()
    now = 60.0
    told.tell()
    told.tell(at_once=True)
    assert caplog.messages == [
        "1 payload became a dead letter (1 not_json): adloom deadletter list shows what is wrong",
        "1,506 payloads became dead letters (1,500 missing_field, 6 not_json): "
        "adloom deadletter list shows what is wrong",
    ]


def test_a_consumer_tells_its_dead_letters(
    kafka: KafkaSettings, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    producer = KafkaProducer(**kafka.client_options())
    producer.send(topic_of(kafka, "click"), b"{").get(10)
    producer.close()
    with EventConsumer(kafka, store) as consumer:
        while not consumer.counts.dead_letters:
            consumer.poll()
    assert "1 payload became a dead letter (1 " in caplog.text
