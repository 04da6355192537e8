"""Real clicks through the whole stream, with a proof: counts in the features equal the log's."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from adloom.feature_store.store import FeatureStore
from adloom.loop.replay.open_bandit import Campaign, ClickLogUnavailable, Policy, open_bandit
from adloom.stream.consumer import EventConsumer
from adloom.stream.events import Click, Impression
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings

_NEEDED = ["ts", "user_id", "item_id", "click"]
_OPTIONAL = ["position", "propensity", "variant"]
_PATIENCE_SECONDS = 60.0

Counts = tuple[int, int]


class ReplayIncomplete(RuntimeError):
    """Events did not reach the features in time."""


@dataclass(frozen=True)
class ReplayResult:
    """What the log says and what became of it.

    Attributes:
        produced: events acknowledged by Kafka.
        in_file: (impressions, clicks) of each item, counted in the log.
        in_features: how much the item's features grew, in the same form.
        seconds: from the first event sent to the last one found in the features.
    """

    produced: int
    in_file: dict[str, Counts]
    in_features: dict[str, Counts]
    seconds: float

    @property
    def exact(self) -> bool:
        """Whether the features grew by exactly what the log holds, for every item."""
        return self.in_file == self.in_features

    def summary(self) -> dict[str, Any]:
        """Totals and counts by item, for a program to read."""
        return {
            "produced": self.produced,
            "impressions": sum(shown for shown, _ in self.in_features.values()),
            "clicks": sum(clicked for _, clicked in self.in_features.values()),
            "exact": self.exact,
            "seconds": round(self.seconds, 2),
            "items": {
                item: {"log": self.in_file[item], "features": self.in_features[item]}
                for item in self.in_file
            },
        }


def replay_obd(
    kafka: KafkaSettings,
    store: FeatureStore,
    cache: Path,
    *,
    campaign: Campaign = "all",
    policy: Policy = "random",
    rate: float | None = None,
) -> ReplayResult:
    """Replays the Open Bandit Dataset's sample; its wheel is kept in `cache`.

    Args:
        rate: log rows a second; None is as fast as Kafka takes them.

    Raises ClickLogUnavailable, ReplayIncomplete.
    """
    return replay(open_bandit(cache, campaign, policy), kafka, store, rate=rate)


def replay_file(
    file: Path, kafka: KafkaSettings, store: FeatureStore, *, rate: float | None = None
) -> ReplayResult:
    """Replays a click log of one's own. Raises ClickLogUnavailable, ReplayIncomplete."""
    return replay(read_click_log(file), kafka, store, rate=rate)


def read_click_log(file: Path) -> pd.DataFrame:
    """Reads a CSV or JSON-lines file with a row for every impression.

    Columns: ts (ISO 8601, UTC when no zone is given), user_id, item_id, click (0 or 1), and
    where known position (from 0), propensity, variant. Raises ClickLogUnavailable.
    """
    try:
        names = {"user_id": str, "item_id": str}
        if file.suffix == ".csv":
            rows = pd.read_csv(file, dtype=names)
        else:
            rows = pd.read_json(file, lines=True, dtype=names, convert_dates=False)
        missing = [name for name in _NEEDED if name not in rows]
        if missing:
            raise ClickLogUnavailable(f"{file}: no column {', '.join(missing)}")
        rows["ts"] = pd.to_datetime(rows["ts"], utc=True, format="ISO8601")
        rows["click"] = rows["click"].astype(int).astype(bool)
    except (OSError, ValueError) as error:
        raise ClickLogUnavailable(f"{file} cannot be read as a click log: {error}") from error
    return rows


def replay(
    rows: pd.DataFrame, kafka: KafkaSettings, store: FeatureStore, *, rate: float | None = None
) -> ReplayResult:
    """Sends every row as an impression, and a click if there was one, and consumes them.

    The features may already know the items: what counts is by how much they grow. Nothing else
    should send events of the same items meanwhile. Raises ReplayIncomplete.
    """
    in_file = _counted(rows)
    before = _stored(store, in_file)
    started = time.monotonic()
    with EventConsumer(kafka, store) as consumer, EventProducer(kafka) as producer:
        for number, events in enumerate(_events(rows)):
            if rate is not None:
                _keep_pace(consumer, started + number / rate)
            for event in events:
                producer.send(event)
        producer.flush()
        in_features = _consume(consumer, store, in_file, before)
        return ReplayResult(producer.produced, in_file, in_features, time.monotonic() - started)


def _keep_pace(consumer: EventConsumer, due: float) -> None:
    while time.monotonic() < due:
        if not consumer.poll():
            time.sleep(max(0.0, min(due - time.monotonic(), 0.01)))


def _consume(
    consumer: EventConsumer,
    store: FeatureStore,
    expected: dict[str, Counts],
    before: dict[str, Counts],
) -> dict[str, Counts]:
    """Polls until the features have grown as expected, or no event came for a while."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        if consumer.poll():
            deadline = time.monotonic() + _PATIENCE_SECONDS
            continue
        grown = _growth(before, _stored(store, expected))
        if sum(map(sum, grown.values())) >= sum(map(sum, expected.values())):
            return grown
        if time.monotonic() > deadline:
            raise ReplayIncomplete(
                f"{sum(map(sum, grown.values()))} of {sum(map(sum, expected.values()))} events "
                f"are in the features, and none came for {_PATIENCE_SECONDS:.0f} s"
            )


def _events(rows: pd.DataFrame) -> Iterator[list[Impression | Click]]:
    run = uuid.uuid4().hex[:8]  # a second replay is new traffic, not a duplicate of the first
    for number, row in enumerate(rows.to_dict("records")):
        fields = _fields(row)
        events: list[Impression | Click] = [Impression(event_id=f"{run}-{number}-i", **fields)]
        if row["click"]:
            events.append(Click(event_id=f"{run}-{number}-c", **fields))
        yield events


def _fields(row: dict[Any, Any]) -> dict[str, Any]:
    ts: datetime = row["ts"].to_pydatetime()
    fields = {"ts": ts, "user_id": row["user_id"], "item_id": row["item_id"]}
    known = {name: row[name] for name in _OPTIONAL if not pd.isna(row.get(name))}
    if "position" in known:
        known["position"] = int(known["position"])
    return fields | known


def _counted(rows: pd.DataFrame) -> dict[str, Counts]:
    items = rows.groupby("item_id")["click"].agg(["size", "sum"])
    return {str(item): (int(size), int(clicks)) for item, size, clicks in items.itertuples()}


def _stored(store: FeatureStore, items: dict[str, Counts]) -> dict[str, Counts]:
    stats = store.item_stats(items)
    return {item: (stats[item].impressions, stats[item].clicks) for item in items}


def _growth(before: dict[str, Counts], after: dict[str, Counts]) -> dict[str, Counts]:
    return {
        item: (after[item][0] - before[item][0], after[item][1] - before[item][1])
        for item in before
    }


def counts_table(result: ReplayResult, most: int = 20) -> Table:
    """Impressions and clicks of the most shown items, in the log and in the features."""
    table = Table("Item", box=None)
    for column in ("Impressions", "in features", "Clicks", "in features"):
        table.add_column(column, justify="right")
    ranked = sorted(result.in_file, key=lambda item: (-result.in_file[item][0], item))
    for item in ranked[:most]:
        (shown, clicked), (counted, counted_clicks) = (
            result.in_file[item],
            result.in_features[item],
        )
        style = None if (shown, clicked) == (counted, counted_clicks) else "red"
        table.add_row(
            item, f"{shown}", f"{counted}", f"{clicked}", f"{counted_clicks}", style=style
        )
    if len(ranked) > most:
        table.add_row(f"… {len(ranked) - most} more")
    both = (
        zip(*result.in_file.values(), strict=True),
        zip(*result.in_features.values(), strict=True),
    )
    (shown_log, clicked_log), (shown_kept, clicked_kept) = ([sum(c) for c in side] for side in both)
    table.add_section()
    table.add_row(
        "All", f"{shown_log}", f"{shown_kept}", f"{clicked_log}", f"{clicked_kept}", style="bold"
    )
    return table
