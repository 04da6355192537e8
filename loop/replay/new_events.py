"""Which events the event log does not have yet."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.log_order import IDENTITY, STREAM
from adloom.stream.forgotten import Forgotten, why_left_out

New = Callable[[Sequence[LoggedEvent]], list[LoggedEvent]]
"""From some events to those of them that the log has not."""

_DIGEST_BYTES = 16


def not_forgotten(new: New, forgotten: Forgotten, dropped: Counter[str]) -> New:
    """The same without events of who is forgotten, and old ones: ``dropped`` counts them."""

    def kept(events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        some = []
        for event in events:
            if (why := why_left_out(forgotten, event.user_id, event.ts)) is None:
                some.append(event)
            else:
                dropped[why] += 1
        return new(some)

    return kept


def new_by_identity(log: EventLog) -> New:
    """By kind, user and id: for events of files. 16 bytes of memory for each in the log."""
    digests = [
        _digests(zip(*(column.to_pylist() for column in rows.columns), strict=True))
        for rows in log.columns(IDENTITY)
    ]
    known = np.sort(np.concatenate([_digests(()), *digests]))

    def new(events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        told = _digests((event.kind, event.user_id, event.event_id) for event in events)
        return _unknown(events, told, known)

    return new


def new_by_place(log: EventLog) -> New:
    """By topic id, partition and offset: for records of Kafka. 8 bytes for each in the log."""
    offsets: dict[tuple[str, str, int], list[NDArray[np.int64]]] = {}
    for rows in log.columns([*STREAM, "offset"]):
        streams = rows.group_by(STREAM).aggregate([("offset", "list")])
        for stream in streams.to_pylist():
            place = (stream["topic"], stream["topic_id"], stream["partition"])
            offsets.setdefault(place, []).append(np.asarray(stream["offset_list"], np.int64))
    known = {stream: np.sort(np.concatenate(parts)) for stream, parts in offsets.items()}
    nothing = np.empty(0, np.int64)

    def new(events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        found: list[LoggedEvent] = []
        by_stream: dict[tuple[str, str, int], list[LoggedEvent]] = {}
        for event in events:
            by_stream.setdefault((event.topic, event.topic_id, event.partition), []).append(event)
        for stream, part in by_stream.items():
            told = np.asarray([event.offset for event in part], np.int64)
            found += _unknown(part, told, known.get(stream, nothing))
        return found

    return new


def _digests(identities: Iterable[tuple[Any, ...]]) -> NDArray[np.bytes_]:
    """S16 (n,). Names are told apart by their lengths: they may hold any character."""
    told = [
        hashlib.blake2b(
            "".join(f"{len(name)}:{name}" for name in names).encode(), digest_size=_DIGEST_BYTES
        ).digest()
        for names in identities
    ]
    return np.array(told, dtype=f"S{_DIGEST_BYTES}")


def _unknown(
    events: Sequence[LoggedEvent], told: NDArray[Any], known: NDArray[Any]
) -> list[LoggedEvent]:
    """Those of which what is told of each is not in the sorted `known`."""
    if not len(known):
        return list(events)
    places = np.searchsorted(known, told)
    found = known[np.minimum(places, len(known) - 1)] == told
    return [event for event, is_known in zip(events, found, strict=True) if not is_known]
