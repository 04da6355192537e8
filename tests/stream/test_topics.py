"""Topics that were just made are there for whoever asks next."""

from __future__ import annotations

import uuid

from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics, topic_ids


def test_topics_are_offered_once_they_are_made(kafka: KafkaSettings) -> None:
    for _ in range(8):
        prefix = f"test-{uuid.uuid4().hex[:12]}"
        settings = kafka.model_copy(update={"topic_prefix": prefix, "partitions": 8})
        create_topics(settings)
        ids = topic_ids(settings)
        assert set(ids) == {f"{prefix}.{kind}" for kind in ("impressions", "clicks", "exposures")}
        create_topics(settings)
        assert topic_ids(settings) == ids
