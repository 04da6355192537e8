"""Real clicks through the whole stream, with a proof: counts in the features equal the log's."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from adloom.feature_store.store import FeatureStore
from adloom.loop.replay.checking import CheckedFile, Told, check_file
from adloom.loop.replay.click_log import ClickLog, RowEvents
from adloom.loop.replay.errors import ReplayIncomplete
from adloom.loop.replay.layout import Layout
from adloom.loop.replay.open_bandit import Campaign, Policy, open_bandit_rows
from adloom.loop.replay.tally import Counts, Tally
from adloom.stream.consumer import EventConsumer
from adloom.stream.event_settings import EventSettings
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings

_PATIENCE_SECONDS = 60.0
_ROWS_AT_ONCE = 5_000
_TOLD_REFUSALS = 100


@dataclass(frozen=True)
class ReplayResult:
    """What the log says and what became of it.

    Attributes:
        produced: events acknowledged by Kafka.
        in_file: (impressions, clicks) of each item, counted in the log; exposures count as
            impressions.
        in_features: how much the item's features grew, in the same form.
        users_in_file: as `in_file`, by user.
        users_in_features: as `in_features`, by user.
        seconds: from the first event sent to the last one found in the features.
        log: the rows, with what was refused and left out.
    """

    produced: int
    in_file: dict[str, Counts]
    in_features: dict[str, Counts]
    users_in_file: dict[str, Counts]
    users_in_features: dict[str, Counts]
    seconds: float
    log: ClickLog

    @property
    def exact(self) -> bool:
        """Whether the features grew by exactly what the log holds, for every item and user."""
        return self.in_file == self.in_features and not self.differing_users

    @property
    def differing_users(self) -> list[str]:
        """Users whose features grew by something else."""
        return [
            user
            for user, counts in self.users_in_file.items()
            if self.users_in_features[user] != counts
        ]

    def summary(self) -> dict[str, Any]:
        """Totals and counts by item, for a program to read; the first refused rows."""
        refusals = self.log.refusals[:_TOLD_REFUSALS]
        users = {"checked": len(self.users_in_file), "exact": not self.differing_users}
        return {
            "produced": self.produced,
            "impressions": sum(shown for shown, _ in self.in_features.values()),
            "clicks": sum(clicked for _, clicked in self.in_features.values()),
            "exact": self.exact,
            "seconds": round(self.seconds, 2),
            "refused": self.log.refused,
            "refused_rows": [{"line": row.line, "reason": row.reason} for row in refusals],
            "dropped": dict(self.log.dropped),
            "items": {
                item: {"log": self.in_file[item], "features": self.in_features[item]}
                for item in self.in_file
            },
            "users": users,
        }


def replay_obd(
    kafka: KafkaSettings,
    store: FeatureStore,
    cache: Path,
    *,
    campaign: Campaign = "all",
    policy: Policy = "random",
    rate: float | None = None,
    told: Told = lambda *_: None,
) -> ReplayResult:
    """Replays the Open Bandit Dataset's sample; its wheel is kept in `cache`.

    Args:
        rate: log rows a second; None is as fast as Kafka takes them.

    Raises ClickLogUnavailable, ReplayIncomplete.
    """
    log = ClickLog("obd", open_bandit_rows(cache, campaign, policy), Layout())
    return replay(log, kafka, store, rate=rate, told=told)


def replay_file(
    file: Path,
    kafka: KafkaSettings,
    store: FeatureStore,
    layout: Layout | None = None,
    *,
    rate: float | None = None,
    told: Told = lambda *_: None,
) -> ReplayResult:
    """Checks a click log of one's own to its end, then replays it.

    Raises ClickLogUnavailable, UnknownLayout, ReplayIncomplete.
    """
    return replay_checked(check_file(file, layout), kafka, store, rate=rate, told=told)


def replay_checked(
    checked: CheckedFile,
    kafka: KafkaSettings,
    store: FeatureStore,
    *,
    rate: float | None = None,
    told: Told = lambda *_: None,
) -> ReplayResult:
    """Replays a click log that was checked. Raises ClickLogUnavailable, ReplayIncomplete."""
    events = checked.layout.events
    log, now = checked.again(), checked.checked_at
    return replay(log, kafka, store, rate=rate, told=told, own_events=events, now=now)


def replay(
    log: ClickLog,
    kafka: KafkaSettings,
    store: FeatureStore,
    *,
    rate: float | None = None,
    told: Told = lambda *_: None,
    own_events: EventSettings | None = None,
    now: datetime | None = None,
) -> ReplayResult:
    """Sends the events of every row, and consumes them.

    A second replay is new traffic, not a duplicate of the first. The features may already know
    the items: what counts is by how much they grow. Nothing else should send events of the same
    items and users meanwhile.

    Args:
        rate: log rows a second; None is as fast as Kafka takes them.
        told: called after every few thousand rows.
        own_events: how what others send meanwhile is read.
        now: rows that are later are refused; None = the present.

    Raises ClickLogUnavailable, ReplayIncomplete.
    """
    tally = Tally(store)
    started = time.monotonic()
    with (
        EventConsumer(kafka, store, own_events, log.forgotten) as consumer,
        EventProducer(kafka) as producer,
    ):
        rows = log.events(uuid.uuid4().hex[:16], now)
        sent = 0
        for chunk in _chunks(rows, _ROWS_AT_ONCE if rate is None else 1):
            events = [event for row in chunk for event in row.events]
            tally.expect(events)
            if rate is not None:
                _keep_pace(consumer, started + sent / rate)
            for event in events:
                producer.send(event)
            sent += len(chunk)
            told(chunk[-1].part, tally.events)
            if rate is None and len(chunk) == _ROWS_AT_ONCE:
                producer.flush()
                consumer.poll()  # what was sent need not wait for the end of the file
        told(1.0, tally.events)
        producer.flush()
        _consume(consumer, tally)
        seconds = time.monotonic() - started
    items, users = tally.items, tally.users
    grown = items.grown(), users.grown()
    return ReplayResult(
        producer.produced, items.expected, grown[0], users.expected, grown[1], seconds, log
    )


def _chunks(rows: Iterator[RowEvents], size: int) -> Iterator[list[RowEvents]]:
    while chunk := list(islice(rows, size)):
        yield chunk


def _keep_pace(consumer: EventConsumer, due: float) -> None:
    while time.monotonic() < due:
        if not consumer.poll():
            time.sleep(max(0.0, min(due - time.monotonic(), 0.01)))


def _consume(consumer: EventConsumer, tally: Tally) -> None:
    """Polls until the features have grown as expected. Raises ReplayIncomplete."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        if consumer.poll():
            deadline = time.monotonic() + _PATIENCE_SECONDS
            continue
        grown = sum(map(sum, tally.items.grown().values()))
        if grown >= tally.events:
            return
        if time.monotonic() > deadline:
            raise ReplayIncomplete(
                f"{grown} of {tally.events} events are in the features, and none came for "
                f"{_PATIENCE_SECONDS:.0f} s"
            )
