"""Topics that were just made are there for whoever asks next; also on a cluster of one's own.

`ADLOOM_TEST_KAFKA=host:port pytest tests/stream/test_topics.py` asks Apache Kafka.
"""

from __future__ import annotations

import os
import uuid

from adloom.stream.broker import LocalBroker
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics, topic_ids


def test_topics_are_offered_once_they_are_made(broker: LocalBroker) -> None:
    servers = os.environ.get("ADLOOM_TEST_KAFKA", broker.bootstrap_servers)
    for _ in range(8):
        prefix = f"test-{uuid.uuid4().hex[:12]}"
        settings = KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix, partitions=8)
        create_topics(settings)
        ids = topic_ids(settings)
        assert set(ids) == {f"{prefix}.{kind}" for kind in ("impressions", "clicks", "exposures")}
        create_topics(settings)
        assert topic_ids(settings) == ids
