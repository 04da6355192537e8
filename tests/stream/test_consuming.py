"""A consumer beside what sends its events reads at the end what was accepted."""

from __future__ import annotations

import logging

import pytest

from adloom.feature_store.store import FeatureStore
from adloom.stream.consumer import EventConsumer
from adloom.stream.consuming import consuming
from adloom.stream.settings import KafkaSettings
from tests.sample_events import click
from tests.stream.test_consumer import produce

_EVENTS = 3_000


def test_what_was_accepted_right_before_the_end_is_read(
    kafka: KafkaSettings, store: FeatureStore
) -> None:
    with consuming(EventConsumer(kafka, store), drain_seconds=60):
        produce(kafka, *(click(f"c{number}") for number in range(_EVENTS)))
    assert store.user_stats(["ann"])["ann"].clicks == _EVENTS
    assert len(store.log.read()) == _EVENTS


def test_what_there_is_no_time_for_is_told_with_a_number(
    kafka: KafkaSettings,
    store: FeatureStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    consumer = EventConsumer(kafka, store)
    monkeypatch.setattr(consumer, "behind", lambda: 17)
    with caplog.at_level(logging.WARNING), consuming(consumer, drain_seconds=0.1):
        pass
    assert "17 events were accepted and are lost with the local broker" in caplog.text
