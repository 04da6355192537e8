"""Rows that tell how far the stream is in them: a batch cut off at any row comes again unharmed."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.feature_store.backend import NONE_GONE, Gone, Known, Rows
from adloom.feature_store.defining import define
from adloom.feature_store.event_log import EventKind, LoggedEvent
from adloom.feature_store.layout import Layout
from adloom.feature_store.looking_back import Views
from adloom.feature_store.marks import RowMarks, Stream
from adloom.feature_store.memory_backend import MemoryBackend
from adloom.feature_store.naming_features import FeastNames
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.updates import Updates
from tests.sample_events import logged

SETTINGS = FeatureStoreSettings(history_length=5, impressions_length=4)
ORDER = [
    "user_events",
    "user_stats",
    "user_history",
    "user_impressions",
    "item_stats",
    "stream_progress",
]
STREAMS = [("t", "first", 0), ("t", "second", 0), ("t", "first", 1), ("u", "x", 1)]
KINDS: list[EventKind] = ["impression", "click", "exposure"]
USERS, ITEMS = "ab", "xyz"


class CutOff(Exception):
    """Stands for the end of the process."""


class RowByRow(MemoryBackend):
    """Writes one row after the other, and only rows that are as they should be."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.rows_left: float = float("inf")

    def write(self, rows: Rows, known: Known, cached: Any, gone: Gone = NONE_GONE) -> Known:
        expected = {**known, **cached()}
        for view in ORDER:
            for key, row in rows.get(view, {}).items():
                if self.rows_left <= 0:
                    raise CutOff
                self.rows_left -= 1
                stored = self.read(view, [key])[0]
                wanted = expected.get(view, {}).get(key, {})
                if any(stored.get(name) != value for name, value in wanted.items()):
                    return {view: {key: {name: stored.get(name) for name in wanted}}}
                super().write({view: {key: row}}, {}, dict)
        return {}


def of_marked_rows() -> RowByRow:
    return RowByRow(define(FeastNames(), marked=True).layout.marked("sealed"))


def features(backend: MemoryBackend) -> Any:
    views = Views(backend, SETTINGS)
    return views.users(USERS), views.items(ITEMS)


def stream_of(rng: random.Random, length: int) -> list[LoggedEvent]:
    """Duplicates, users in two partitions, topics made anew."""
    events = []
    for offset in range(length):
        topic, topic_id, partition = rng.choice(STREAMS)
        number = rng.randrange(length)
        events.append(
            logged(
                offset,
                number,
                rng.choice(KINDS),
                event_id=f"e{number}",
                user_id=rng.choice(USERS),
                item_id=ITEMS[number % 3],
                ad_id=["ad-1", "ad-2", None][number % 3],
                topic=topic,
                topic_id=topic_id,
                partition=partition,
            )
        )
    return events


@pytest.mark.parametrize("seed", range(300))
def test_a_batch_that_is_cut_off_at_any_row_comes_again(seed: int) -> None:
    rng = random.Random(seed)
    events = stream_of(rng, rng.randrange(1, 40))
    whole = MemoryBackend(define(FeastNames()).layout)
    Updates(whole, SETTINGS).apply(events)
    backend = of_marked_rows()
    updates, start = Updates(backend, SETTINGS), 0
    while start < len(events):
        end = start + rng.randrange(1, 12)
        backend.rows_left = rng.choice([float("inf"), rng.randrange(20)])
        try:
            updates.apply(events[start:end])
            start = end
        except CutOff:
            updates = rng.choice([updates, Updates(backend, SETTINGS)])
    assert features(backend) == features(whole)


@pytest.mark.parametrize("seed", range(100))
def test_a_writer_that_is_behind_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    events = stream_of(rng, 60)
    whole = MemoryBackend(define(FeastNames()).layout)
    Updates(whole, SETTINGS).apply(events)
    backend = of_marked_rows()
    writers, done = [Updates(backend, SETTINGS), Updates(backend, SETTINGS)], 0
    while done < len(events):
        start = max(0, done - rng.randrange(30))
        end = max(done, start + rng.randrange(1, 40))
        backend.rows_left = rng.choice([float("inf"), rng.randrange(30)])
        try:
            rng.choice(writers).apply(events[start:end])
            done = end
        except CutOff:
            pass
    assert features(backend) == features(whole)


@given(
    st.dictionaries(st.tuples(st.text(max_size=5), st.integers(0, 9)), st.integers(0, 2**62)),
    st.lists(st.integers(0, 2**62), max_size=5),
    st.dictionaries(st.text(max_size=5), st.binary(max_size=5)),
)
def test_marks_come_back_and_tell_other_values(
    reached: dict[tuple[str, int], int], duplicates: list[int], values: dict[str, bytes]
) -> None:
    marks = RowMarks()
    for (topic, partition), offset in reached.items():
        assert marks.note(Stream.of(topic, "id", partition), offset)
    for offset in duplicates:
        marks.note_duplicate(Stream.of("t", "id", 0), offset)
    again = RowMarks.decode(marks.encode(values), values)
    assert not again.broken
    assert again.encode(values) == marks.encode(values)
    assert RowMarks.decode(marks.encode(values), {**values, "more": b""}).broken
    assert not RowMarks.decode(marks.encode(None), None).broken
