"""What the event log holds: an event, and the place in the stream it came from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import pyarrow as pa

EventKind = Literal["impression", "click", "exposure", "outcome"]


class LoggedEvent(NamedTuple):
    """An event and the place in the stream it came from.

    `ts` is aware; `context` and `extra` are JSON objects, the latter with the fields of the event
    that adloom does not know. `topic_id` tells a topic from one of the same name made later.
    """

    kind: EventKind
    event_id: str
    ts: datetime
    user_id: str
    item_id: str
    topic: str
    partition: int
    offset: int
    topic_id: str = ""
    ad_id: str | None = None
    variant: str | None = None
    propensity: float | None = None
    position: int | None = None
    context: str = "{}"
    extra: str = "{}"


COLUMNS: dict[str, pa.DataType] = {
    "kind": pa.string(),
    "event_id": pa.string(),
    "ts": pa.timestamp("us", tz="UTC"),
    "user_id": pa.string(),
    "item_id": pa.string(),
    "topic": pa.string(),
    "partition": pa.int32(),
    "offset": pa.int64(),
    "topic_id": pa.string(),
    "ad_id": pa.string(),
    "variant": pa.string(),
    "propensity": pa.float64(),
    "position": pa.int32(),
    "context": pa.string(),
    "extra": pa.string(),
}
SCHEMA = pa.schema(list(COLUMNS.items()))
assert tuple(COLUMNS) == LoggedEvent._fields


def table_of(events: Sequence[LoggedEvent]) -> pa.Table:
    """Events as rows of `SCHEMA`; at least one."""
    columns = zip(zip(*events, strict=True), COLUMNS.values(), strict=True)
    return pa.Table.from_arrays([pa.array(values, kind) for values, kind in columns], schema=SCHEMA)


def events_of(rows: pa.Table) -> list[LoggedEvent]:
    """Rows with all columns as events."""
    columns = [column.to_pylist() for column in rows.select(SCHEMA.names).columns]
    return list(map(LoggedEvent._make, zip(*columns, strict=True)))
