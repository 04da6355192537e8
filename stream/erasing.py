"""Users out of topics, as far as a log that is only appended to allows it.

Dead letters are told apart by their keys: those of others are written once more at the end, and
then all up to the last one that names the user is deleted. Of events a cluster deletes only all up
to an offset: adloom's own topics are cut off after what is in features and event log, which have
all of it. Topics that the shop named are the shop's, who else may read them: what is in them goes
when their retention says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAuthorizationFailedError
from kafka.partitioner.default import murmur2

from adloom.feature_store.progress import Reads
from adloom.stream.dead_letter import DeadLetter
from adloom.stream.producer import EventProducer
from adloom.stream.reading import read_to_end
from adloom.stream.retaining import RETENTION, own_topics, retention_of
from adloom.stream.settings import KafkaSettings
from adloom.stream.topic_names import dead_letter_topic, event_topics
from adloom.stream.topics import EventTopics, connect_admin, topic_ids

_UNTOLD = "the cluster does not delete records before their time"
_RIGHT = "this login needs the right Delete on it"


class TopicLeft(NamedTuple):
    """What a topic still has of a user.

    Attributes:
        state: ``erased``, or ``waits`` where time or somebody has to see to it.
        why: it waits; "" where nothing does.
        until: when the retention of the topic has taken all that is in it now, as far as known.
    """

    topic: str
    state: Literal["erased", "waits"]
    why: str = ""
    until: datetime | None = None


class _Letters(NamedTuple):
    """Dead letters of some users among all.

    Attributes:
        waiting: how many of theirs wait.
        theirs: keys.
        others: those of others that wait before the last of theirs, as key and content.
        ends: what follows the last of theirs in each partition that has any.
    """

    waiting: int
    theirs: set[bytes]
    others: list[tuple[bytes, bytes]]
    ends: dict[TopicPartition, int]


def letters_of(kafka: KafkaSettings, users: Collection[str]) -> int:
    """How many dead letters that wait name a user. Raises BrokerUnavailable, KafkaRefused."""
    return _read_letters(kafka, users).waiting


def erase_letters(kafka: KafkaSettings, users: Collection[str]) -> tuple[int, TopicLeft]:
    """Dead letters that name a user go, whoever's they are; how many waited, and what is left.

    A crash on the way leaves letters of others twice, which count once. Raises BrokerUnavailable,
    KafkaRefused, DeliveryFailed.
    """
    topic, letters = dead_letter_topic(kafka), _read_letters(kafka, users)
    if not letters.theirs:
        return 0, TopicLeft(topic, "erased")
    with EventProducer(kafka) as producer:
        for key, content in letters.others:
            producer.send_payload(topic, key, content)
        for key in letters.theirs:  # where nothing can be deleted they wait no longer all the same
            producer.send_payload(topic, key, None)
        producer.flush()
    with closing(connect_admin(kafka)) as admin:
        return letters.waiting, _cut(admin, topic, letters.ends)


def _read_letters(kafka: KafkaSettings, users: Collection[str]) -> _Letters:
    names = _naming(users)
    last_of: dict[bytes, tuple[TopicPartition, int, bytes | None]] = {}
    theirs: set[bytes] = set()
    ends: dict[TopicPartition, int] = {}
    for records in read_to_end(kafka, [dead_letter_topic(kafka)]):
        for source, part in records.items():
            for record in part:
                last_of[record.key] = source, record.offset, record.value
                if record.value is not None and names(record.value):
                    theirs.add(record.key)
                    ends[source] = record.offset + 1
    others = [
        (key, content)
        for key, (source, offset, content) in last_of.items()
        if content is not None and key not in theirs and offset < ends.get(source, 0)
    ]
    waiting = sum(last_of[key][2] is not None for key in theirs)
    return _Letters(waiting, theirs, others, ends)


def places_of(kafka: KafkaSettings, users: Iterable[str]) -> set[tuple[str, int]]:
    """Where events of users are, as all who send partition them: topic and partition.

    Raises BrokerUnavailable, KafkaRefused.
    """
    with closing(EventTopics(kafka)) as topics:
        topics.ids()
        many = topics.partitions
    numbers = {(murmur2(user.encode()) & 0x7FFFFFFF) % many for user in users}
    return {(topic, number) for topic in event_topics(kafka) for number in numbers}


def cut_off(
    kafka: KafkaSettings, places: Collection[tuple[str, int]], progress: Reads
) -> list[TopicLeft]:
    """Cuts adloom's own topics of events off after what is done, in these partitions.

    Args:
        progress: how far partitions are in features and event log.

    Raises BrokerUnavailable, KafkaRefused.
    """
    ids, left = topic_ids(kafka), []
    with closing(connect_admin(kafka)) as admin:
        for topic in event_topics(kafka):
            numbers = [number for name, number in places if name == topic]
            if not numbers:
                continue
            if topic not in own_topics(kafka):
                why = "it is the shop's own, and its retention takes what is in it"
                left.append(_waits(admin, topic, why))
                continue
            ends: dict[TopicPartition, int] = {}
            for number in numbers:
                known = progress.get(number, {}).get(topic)
                if known is not None and known.topic_id == ids[topic] and known.done >= 0:
                    ends[TopicPartition(topic, number)] = known.done + 1
            left.append(_cut(admin, topic, ends))
    return left


def _cut(admin: KafkaAdminClient, topic: str, ends: Mapping[TopicPartition, int]) -> TopicLeft:
    if not ends:
        return TopicLeft(topic, "erased")
    try:
        answers = admin.delete_records(dict(ends))
    except TopicAuthorizationFailedError:
        return _waits(admin, topic, _RIGHT)
    except KafkaError:
        return _waits(admin, topic, _UNTOLD)
    codes = {answer["error_code"] for answer in answers.values()} - {0}
    if TopicAuthorizationFailedError.errno in codes:
        return _waits(admin, topic, _RIGHT)
    return _waits(admin, topic, _UNTOLD) if codes else TopicLeft(topic, "erased")


def _waits(admin: KafkaAdminClient, topic: str, why: str) -> TopicLeft:
    """With the time at which all that the topic has now is over."""
    kept = retention_of(admin, topic)
    if kept is None:
        return TopicLeft(topic, "waits", why)
    if kept < 0:
        return TopicLeft(topic, "waits", f"{why}; it keeps all for ever: set its {RETENTION}")
    return TopicLeft(topic, "waits", why, datetime.now(UTC) + timedelta(milliseconds=kept))


def _naming(users: Collection[str]) -> Callable[[bytes], bool]:
    """What tells whether a dead letter names any of the users."""
    any_of = "|".join(map(re.escape, sorted(users, key=len, reverse=True)))
    word = re.compile(rf"(?<![\w-])(?:{any_of})(?![\w-])")

    def names(content: bytes) -> bool:
        letter = DeadLetter.model_validate_json(content)
        payload = letter.kept.decode(errors="replace")
        return any(word.search(text) for text in (payload, *_texts(payload), letter.detail))

    return names


def _texts(payload: str) -> list[str]:
    """All texts in a JSON payload, as they are without escapes; none of one that is no JSON."""
    try:
        waiting: list[Any] = [json.loads(payload)]
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
    return found
