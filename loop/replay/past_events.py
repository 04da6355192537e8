"""Events of before, from files or from Kafka, as the event log keeps them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic_core import from_json

from adloom.feature_store.event_log import FILE_TOPIC, EventKind, LoggedEvent
from adloom.feature_store.log_disk import files_of_log
from adloom.feature_store.old_log import in_order
from adloom.loop.replay.errors import NotPastEvents
from adloom.loop.replay.rounded_ids import refuse_rounded_ids
from adloom.loop.replay.rows import Row, format_of, read_rows
from adloom.stream.event_reader import EventReader
from adloom.stream.event_settings import EventSettings, FieldMap, MomentSource
from adloom.stream.events import (
    OUTCOME_FIELDS,
    Event,
    InvalidEvent,
    Outcome,
    Reason,
    kind_of,
    refuse_future,
)
from adloom.stream.membership.batch import as_logged, read_batch
from adloom.stream.moments import TimeUnit
from adloom.stream.own_events import OwnEvents
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import event_topics, topic_ids

_KINDS: tuple[EventKind, ...] = get_args(EventKind)
_NEEDED = ("kind", "event_id", "ts", "user_id", "item_id")
_IDS = ("event_id", "user_id", "item_id", "ad_id")
_ROWS_AT_ONCE = 10_000
_TOLD_ROWS = 10


class PastEvents:
    """Events of a file, or of a folder of parquet files: rows are held to what the stream takes.

    A row is one event with the columns of the event log: kind, event_id, ts, user_id, item_id, and
    perhaps ad_id, variant, propensity, position, context, extra. CSV, JSON lines or Parquet.

    Attributes:
        read: rows so far.
        part: of all files that was read so far, 0 to 1.
    """

    def __init__(self, path: Path, unit: TimeUnit | None = None, zone: str | None = None) -> None:
        """Find the files.

        Args:
            unit: of `ts` where it is a number.
            zone: of moments that tell none, such as Europe/Berlin.

        Raises FileNotFoundError; NotPastEvents for a zone that there is none of.
        """
        self._files = _parquet_files(path) if path.is_dir() else [path]
        if not self._files or not (path.is_dir() or path.exists()):
            raise FileNotFoundError(f"{path}: no parquet file is there")
        fields = FieldMap(ts=MomentSource(path="ts", unit=unit))
        known_zone = _zone(zone) if zone else None
        self._readers: dict[str, OwnEvents] = {
            kind: OwnEvents(kind, fields, zone=known_zone) for kind in _KINDS
        }
        self._bad: list[str] = []
        self._refused = 0
        self.read, self.part = 0, 0.0

    def batches(self) -> Iterator[list[LoggedEvent]]:
        """Every event, some thousand at a time; it has a place in a stream of its own.

        Raises NotPastEvents at the end where any row is none, which names the first of them;
        ClickLogUnavailable.
        """
        now, topic_id = datetime.now(UTC), uuid.uuid4().hex
        batch: list[LoggedEvent] = []
        for number, file in enumerate(self._files):
            written = format_of(file)
            word = "row" if written == "parquet" else "line"
            where = f"{file.name}, {word}" if len(self._files) > 1 else word
            untyped_ids = _IDS if written == "csv" else ()
            untold = written != "jsonl"  # a table has the same columns in all rows
            for row in read_rows(file):
                if untold and row.problem is None:
                    _refuse_missing_columns(file, row.fields)
                    untold = False
                self.part = (number + row.part) / len(self._files)
                try:
                    refuse_rounded_ids(row.fields, untyped_ids)
                    event, extra = self._event(row, now)
                except InvalidEvent as error:
                    self._refuse(f"{where} {row.line}: {error.detail}")
                else:
                    place = _Place(FILE_TOPIC, 0, self.read)
                    kept = as_logged(event, kind_of(event), topic_id, place)
                    batch.append(kept._replace(extra=extra))
                self.read += 1
                if len(batch) == _ROWS_AT_ONCE:
                    yield batch
                    batch = []
        if self._refused:
            raise NotPastEvents(self._told())
        yield batch

    def _event(self, row: Row, now: datetime) -> tuple[Event, str]:
        if row.problem is not None:
            raise InvalidEvent(Reason.WRONG_TYPE, row.problem)
        kind = row.fields.get("kind")
        reader = self._readers.get(kind) if isinstance(kind, str) else None
        if reader is None:
            raise InvalidEvent(Reason.WRONG_TYPE, f"kind: none of {', '.join(_KINDS)}")
        extra = _extra(row.fields)
        # The log has what only outcomes say among their extra fields.
        said = from_json(extra) if kind == "outcome" else {}
        event = reader.read({**row.fields} | {n: said[n] for n in OUTCOME_FIELDS if n in said})
        refuse_future(event, now)
        if isinstance(event, Outcome):
            extra = json.dumps(said | {n: getattr(event, n) for n in OUTCOME_FIELDS})
        return event, extra

    def _refuse(self, told: str) -> None:
        self._refused += 1
        if len(self._bad) < _TOLD_ROWS:
            self._bad.append(told)

    def _told(self) -> str:
        more = self._refused - len(self._bad)
        rows = [*self._bad, *([f"and {more:,} rows more"] if more else [])]
        one = self._refused == 1
        count = "1 row is no event" if one else f"{self._refused:,} rows are no events"
        return "\n".join([f"{count}, and nothing was changed:", *rows])


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


def _parquet_files(folder: Path) -> list[Path]:
    """Those of an event log of adloom; else those that are there, by name."""
    return files_of_log(folder) or in_order(folder.glob("*.parquet"))


class _Place(NamedTuple):
    """What a record of Kafka has: a row has it by its number."""

    topic: str
    partition: int
    offset: int


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise NotPastEvents(f"{name} is no time zone, such as Europe/Berlin") from error


def _refuse_missing_columns(file: Path, fields: Mapping[str, Any]) -> None:
    missing = [name for name in _NEEDED if name not in fields]
    if missing:
        raise NotPastEvents(f"{file}: no column {', '.join(missing)}; nothing was changed")


def _extra(fields: Mapping[str, Any]) -> str:
    """The fields of the event that adloom does not know, as a JSON object: the log has them so."""
    told = fields.get("extra")
    if told is None or told == "":
        return "{}"
    try:
        found = from_json(told) if isinstance(told, str) else told
        if isinstance(found, dict):
            return json.dumps(found)
    except ValueError:
        pass
    raise InvalidEvent(Reason.WRONG_TYPE, "extra: not a JSON object", "extra")
