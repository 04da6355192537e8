"""Where events for a rebuild of the online features come from, besides the event log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adloom.feature_store.event_log import EventLog, LoggedEvent, read_events
from adloom.stream.batch import read_batch
from adloom.stream.event_reader import EventReader
from adloom.stream.event_settings import EventSettings
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


def from_kafka(
    kafka: KafkaSettings, own_events: EventSettings | None = None
) -> Iterator[list[LoggedEvent]]:
    """Every event that Kafka still holds; what is none was a dead letter before.

    Args:
        own_events: how events in the shop's form are read; None = all are in adloom's own.

    Raises BrokerUnavailable.
    """
    reader, ids = EventReader(kafka, own_events), topic_ids(kafka)
    for records in read_to_end(kafka, list(event_topics(kafka))):
        yield read_batch(records, reader, lambda source: ids[source.topic]).events
