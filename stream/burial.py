"""The dead letter topic read back: what waits in it, and sending it to its topic once more.

Letters that became events go where they came from, as they were. A record without a value, under
the key of the letter, then says that it waits no longer; compaction takes such pairs away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from adloom.stream.dead_letter import DeadLetter
from adloom.stream.events import Event, InvalidEvent, Reason, parse
from adloom.stream.producer import EventProducer
from adloom.stream.reading import read_to_end
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import dead_letter_topic, event_topics


@dataclass(frozen=True)
class Replayed:
    """What became of the letters: sent as events, or refused again, with the reason of today."""

    sent: list[DeadLetter]
    refused: list[DeadLetter]


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
    kafka: KafkaSettings, reasons: Collection[Reason] = frozenset(Reason)
) -> Replayed:
    """Sends every waiting letter that is an event now: after an upgrade, or when its time came.

    A crash on the way sends a letter twice at most, which counts once. Raises BrokerUnavailable,
    DeliveryFailed.
    """
    replayed = Replayed([], [])
    events: list[tuple[DeadLetter, Event]] = []
    for letter in waiting_letters(kafka, reasons):
        try:
            events.append((letter, _event(kafka, letter)))
        except InvalidEvent as error:
            today = {"reason": error.reason, "detail": error.detail}
            replayed.refused.append(letter.model_copy(update=today))
    with EventProducer(kafka) as producer:
        for letter, event in events:
            producer.send_payload(letter.topic, event.user_id.encode(), letter.kept)
        producer.flush()
        for letter, _ in events:
            producer.send_payload(dead_letter_topic(kafka), letter.key, None)
            replayed.sent.append(letter)
    return replayed


def _event(kafka: KafkaSettings, letter: DeadLetter) -> Event:
    kind = event_topics(kafka).get(letter.topic)
    if kind is None:
        raise InvalidEvent(letter.reason, f"{letter.topic} is not a topic of events here")
    if len(letter.kept) < letter.payload_bytes:
        raise InvalidEvent(Reason.TOO_LARGE, f"{letter.payload_bytes} bytes, not all were kept")
    return parse(kind, letter.kept, datetime.now(UTC))
