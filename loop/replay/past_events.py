"""Where events for a rebuild of the online features come from, besides the event log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adloom.feature_store.event_log import EventLog, LoggedEvent, read_events
from adloom.stream.batch import read_batch
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import event_topics, topic_ids


def from_files(path: Path) -> Iterator[list[LoggedEvent]]:
    """Events of a parquet file, or of a folder that is an event log.

    Raises FileNotFoundError, NotAnEventLog.
    """
    if path.is_dir():
        if not any(path.glob("*.parquet")):
            raise FileNotFoundError(f"{path}: no parquet file is there")
        yield from EventLog(path).batches()
    elif path.is_file():
        yield from read_events(path)
    else:
        raise FileNotFoundError(f"{path}: no parquet file is there")


def from_kafka(kafka: KafkaSettings) -> Iterator[list[LoggedEvent]]:
    """Every event that Kafka still holds; what is none was a dead letter before.

    Raises BrokerUnavailable.
    """
    kinds, ids = event_topics(kafka), topic_ids(kafka)
    for records in read_to_end(kafka, list(kinds)):
        yield read_batch(records, kinds, ids).events
