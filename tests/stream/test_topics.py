"""Topics that were just made are there for whoever asks next."""

from __future__ import annotations

import threading
import uuid
from contextlib import closing

import pytest

from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import BrokerUnavailable, EventTopics, create_topics, topic_ids


def test_topics_are_offered_once_they_are_made(kafka: KafkaSettings) -> None:
    for _ in range(8):
        prefix = f"test-{uuid.uuid4().hex[:12]}"
        settings = kafka.model_copy(update={"topic_prefix": prefix, "partitions": 8})
        create_topics(settings)
        ids = topic_ids(settings)
        assert set(ids) == {f"{prefix}.{kind}" for kind in ("impressions", "clicks", "exposures")}
        create_topics(settings)
        assert topic_ids(settings) == ids


def test_who_asks_a_node_that_does_not_know_of_them_yet_waits_a_moment(
    kafka: KafkaSettings,
) -> None:
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    settings = kafka.model_copy(update={"topic_prefix": prefix})
    with closing(EventTopics(settings)) as topics:
        with pytest.raises(BrokerUnavailable, match="does not offer"):
            topics.ids()
        timer = threading.Timer(0.2, create_topics, [settings])
        timer.start()
        assert len(topics.ids()) == 3
        timer.join()
