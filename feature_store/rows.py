"""Rows of the feature views, and how they become Feast values and back."""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from feast.protos.feast.types.Value_pb2 import Int64List, StringList, Value

from feature_store.event_log import LoggedEvent
from feature_store.progress import Progress

Values = Mapping[str, Value]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Longer than any retry of a producer; kept whole for each user.
_REMEMBERED_EVENTS = 256


@dataclass(frozen=True)
class UserHistory:
    """What a user clicked, newest last, in order of event time.

    Attributes:
        item_ids: the items.
        clicked_at: when, aware, UTC.
        ad_ids: the ad that was clicked each time; "" where it was none of the loop's.
    """

    item_ids: tuple[str, ...] = ()
    clicked_at: tuple[datetime, ...] = ()
    ad_ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    def newest(self, limit: int) -> UserHistory:
        """The last `limit` clicks."""
        first = max(0, len(self) - limit)
        return UserHistory(self.item_ids[first:], self.clicked_at[first:], self.ad_ids[first:])


@dataclass(frozen=True)
class UserStats:
    """How often a user saw and clicked; exposures count as impressions."""

    impressions: int = 0
    clicks: int = 0


@dataclass(frozen=True)
class ItemStats:
    """How often an item was seen (exposures too) and clicked, and its smoothed rate."""

    impressions: int
    clicks: int
    click_through_rate: float


@dataclass
class HistoryRow:
    """A user's clicks as (µs since 1970, item id, ad id), sorted."""

    clicks: list[tuple[int, str, str]] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def from_values(cls, values: Values) -> HistoryRow:
        clicks = zip(
            values["clicked_at_us"].int64_list_val.val,
            values["item_ids"].string_list_val.val,
            values["ad_ids"].string_list_val.val,
            strict=True,
        )
        return cls(list(clicks), Progress.from_text(values["progress"].string_val))

    def to_values(self) -> dict[str, Value]:
        times, items, ads = zip(*self.clicks, strict=True) if self.clicks else ((), (), ())
        return {
            "item_ids": Value(string_list_val=StringList(val=items)),
            "clicked_at_us": Value(int64_list_val=Int64List(val=times)),
            "ad_ids": Value(string_list_val=StringList(val=ads)),
            "progress": Value(string_val=self.progress.to_text()),
        }

    def add(self, click: LoggedEvent, length: int) -> None:
        """Puts a click at its place in time and keeps the newest `length`.

        Clicks of the same moment are ordered by their names, so the order in which events
        arrive leaves no trace.
        """
        insort(self.clicks, (microseconds(click.ts), click.item_id, click.ad_id or ""))
        del self.clicks[:-length]

    def history(self) -> UserHistory:
        return UserHistory(
            tuple(item for _, item, _ in self.clicks),
            tuple(moment(at) for at, _, _ in self.clicks),
            tuple(ad for _, _, ad in self.clicks),
        )


@dataclass
class CountsRow:
    """Impressions and clicks of an item in one shard."""

    impressions: int = 0
    clicks: int = 0
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def from_values(cls, values: Values) -> CountsRow:
        return cls(
            values["impressions"].int64_val,
            values["clicks"].int64_val,
            Progress.from_text(values["progress"].string_val),
        )

    def to_values(self) -> dict[str, Value]:
        return {
            "impressions": Value(int64_val=self.impressions),
            "clicks": Value(int64_val=self.clicks),
            "progress": Value(string_val=self.progress.to_text()),
        }

    def count(self, event: LoggedEvent) -> None:
        if event.kind == "click":
            self.clicks += 1
        else:
            self.impressions += 1


@dataclass
class UserRow:
    """Counts of a user, and the newest events by fingerprint: what comes again is known."""

    counts: CountsRow = field(default_factory=CountsRow)
    recent: dict[int, None] = field(default_factory=dict)

    @property
    def progress(self) -> Progress:
        return self.counts.progress

    @classmethod
    def from_values(cls, values: Values) -> UserRow:
        recent = dict.fromkeys(values["recent_events"].int64_list_val.val)
        return cls(CountsRow.from_values(values), recent)

    def to_values(self) -> dict[str, Value]:
        return self.counts.to_values() | {
            "recent_events": Value(int64_list_val=Int64List(val=self.recent))
        }

    def is_new(self, event: LoggedEvent) -> bool:
        """Whether this event id was not seen lately; it is remembered from now on."""
        fingerprint = _fingerprint(event)
        if fingerprint in self.recent:
            return False
        self.recent[fingerprint] = None
        if len(self.recent) > _REMEMBERED_EVENTS:
            del self.recent[next(iter(self.recent))]
        return True


def microseconds(at: datetime) -> int:
    """µs since 1970 of an aware moment."""
    return (at - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """The aware moment, UTC, `at` µs after 1970."""
    return _EPOCH + at * _MICROSECOND


def _fingerprint(event: LoggedEvent) -> int:
    name = f"{event.kind}/{event.event_id}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)
