"""The dead letter topic read back: what waits in it, and sending it to its topic once more.

Letters that became events go where they came from, as they were. A record without a value, under
the key of the letter, then says that it waits no longer; compaction takes such pairs away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from adloom.stream.dead_letter import DeadLetter
from adloom.stream.event_reader import Dropped, EventReader
from adloom.stream.event_settings import EventSettings
from adloom.stream.events import Event, InvalidEvent, Reason
from adloom.stream.producer import EventProducer
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import dead_letter_topic, event_topics, products_topic


@dataclass(frozen=True)
class Replayed:
    """What became of the letters.

    Attributes:
        sent: as events, to where they came from.
        refused: again, with the reason of today; they stay.
        dropped: left out by a rule of today; they wait no longer.
    """

    sent: list[DeadLetter]
    refused: list[DeadLetter]
    dropped: list[DeadLetter]


def waiting_letters(
    kafka: KafkaSettings, reasons: Collection[Reason] = frozenset(Reason)
) -> list[DeadLetter]:
    """The letters refused for these reasons, each once, in the order they were written.

    Raises BrokerUnavailable.
    """
    waiting: dict[bytes, DeadLetter] = {}
    for records in read_to_end(kafka, [dead_letter_topic(kafka)]):
        for part in records.values():
            for record in part:
                if record.value is None:
                    waiting.pop(record.key, None)
                else:
                    waiting[record.key] = DeadLetter.model_validate_json(record.value)
    return [letter for letter in waiting.values() if letter.reason in reasons]


def replay_letters(
    kafka: KafkaSettings,
    reasons: Collection[Reason] = frozenset(Reason),
    own_events: EventSettings | None = None,
) -> Replayed:
    """Sends every waiting letter that is an event now: after an upgrade, or when its time came.

    A crash on the way sends a letter twice at most, which counts once. Raises BrokerUnavailable,
    DeliveryFailed.
    """
    replayed = Replayed([], [], [])
    reader = EventReader(kafka, own_events)
    events: list[tuple[DeadLetter, Event]] = []
    for letter in waiting_letters(kafka, reasons):
        try:
            event = _event(kafka, reader, letter)
        except InvalidEvent as error:
            today = {"reason": error.reason, "detail": error.detail}
            replayed.refused.append(letter.model_copy(update=today))
        else:
            if isinstance(event, Dropped):
                replayed.dropped.append(letter)
            else:
                events.append((letter, event))
    with EventProducer(kafka) as producer:
        for letter, event in events:
            key = event.user_id.encode()
            producer.send_payload(letter.topic, key, letter.kept, letter.kept_headers)
        producer.flush()
        replayed.sent.extend(letter for letter, _ in events)
        for letter in (*replayed.sent, *replayed.dropped):
            producer.send_payload(dead_letter_topic(kafka), letter.key, None)
    return replayed


def _event(kafka: KafkaSettings, reader: EventReader, letter: DeadLetter) -> Event | Dropped:
    if letter.topic == products_topic(kafka):
        # The shop may have told otherwise since: what is old must not come after what is new.
        raise InvalidEvent(letter.reason, f"{letter.detail}; the shop must send it anew")
    if letter.topic not in event_topics(kafka):
        raise InvalidEvent(letter.reason, f"{letter.topic} is not a topic of events here")
    if len(letter.kept) < letter.payload_bytes:
        raise InvalidEvent(Reason.TOO_LARGE, f"{letter.payload_bytes} bytes, not all were kept")
    read = reader.of_topic(letter.topic)
    return read(letter.kept, letter.kept_headers, datetime.now(UTC))
