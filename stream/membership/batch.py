"""What Kafka hands out, read: a record is an event, a dead letter, or left out by a rule."""

from __future__ import annotations

import functools
import json
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kafka import TopicPartition

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.progress import Reached
from adloom.stream.dead_letter import DeadLetter
from adloom.stream.event_reader import Dropped, EventReader
from adloom.stream.events import (
    OUTCOME_FIELDS,
    Event,
    InvalidEvent,
    Kind,
    kind_of,
    parse,
)

Records = Mapping[TopicPartition, Sequence[Any]]
"""kafka-python's consumer records by partition, each partition's in the order of offsets."""


_outcome = operator.attrgetter(*OUTCOME_FIELDS)
# What `LoggedEvent._make` does, without its frame: every event comes by here.
_logged: Callable[[tuple[Any, ...]], LoggedEvent] = functools.partial(tuple.__new__, LoggedEvent)


@dataclass
class Batch:
    """The records of one poll.

    Attributes:
        dropped: how many each rule of the settings left out.
        reached: the last record of each partition, whatever it was.
    """

    events: list[LoggedEvent] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    reached: list[Reached] = field(default_factory=list)

    def reasons(self) -> Counter[str]:
        """How many dead letters there are, by reason."""
        return Counter(letter.reason for letter in self.dead_letters)


def read_batch(
    records: Records, reader: EventReader, topic_id_of: Callable[[TopicPartition], str]
) -> Batch:
    """Reads every record; offsets count together with the id of their topic.

    Raises RegistryUnavailable.
    """
    now = datetime.now(UTC)
    batch = Batch()
    for source, part in records.items():
        topic, topic_id = source.topic, topic_id_of(source)
        batch.reached.append(Reached(topic, source.partition, topic_id, part[-1].offset))
        kind, read = reader.plain_kind(topic), reader.of_topic(topic)
        for record in part:
            payload = record.value or b""
            try:
                if kind is not None:  # parsing is much of an event's cost: nothing around it
                    event: Event | Dropped = parse(kind, payload, now)
                else:
                    event = read(payload, record.headers, now)
            except InvalidEvent as error:
                place = (topic, source.partition, record.offset)
                batch.dead_letters.append(DeadLetter.of(error, *place, payload, record.headers))
            else:
                if isinstance(event, Dropped):
                    batch.dropped[event.rule] += 1
                else:
                    batch.events.append(as_logged(event, kind or kind_of(event), topic_id, record))
    return batch


def as_logged(event: Event, kind: Kind, topic_id: str, record: Any) -> LoggedEvent:
    """The event as the log has it; the record tells topic, partition and offset.

    Name and value of an outcome stand among the extra fields: the columns are those of all kinds.
    """
    told, extra = event.__dict__, event.__pydantic_extra__
    if kind == "outcome":
        extra = {**(extra or {}), **dict(zip(OUTCOME_FIELDS, _outcome(event), strict=True))}
    context = told["context"]
    return _logged(
        (  # in the order of the fields
            kind,
            told["event_id"],
            told["ts"],
            told["user_id"],
            told["item_id"],
            record.topic,
            record.partition,
            record.offset,
            topic_id,
            told["ad_id"],
            told["variant"],
            told["propensity"],
            told["position"],
            json.dumps(context) if context else "{}",
            json.dumps(extra) if extra else "{}",
        )
    )
