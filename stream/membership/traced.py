"""Records that carry a trace: it goes on to the moment when they are in the features."""

from __future__ import annotations

from adloom.stream.membership.batch import Records
from adloom.stream.tracing import carried_by, record_span


def trace_records(records: Records, began: float, ended: float) -> None:
    """A span for each record that carries a trace; moments of the monotonic clock, in seconds."""
    for source, part in records.items():
        for record in part:
            carried = carried_by(record.headers)
            if carried is not None:
                place: dict[str, str | int] = {
                    "messaging.system": "kafka",
                    "messaging.destination.name": source.topic,
                    "messaging.destination.partition.id": str(source.partition),
                    "messaging.kafka.offset": record.offset,
                }
                name = f"process {source.topic}"
                record_span(name, began, ended, "consumer", place, carried)
