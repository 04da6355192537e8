"""Rows of the feature views, open: they change in memory and are written as Feast's bytes."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from feast.protos.feast.types.Value_pb2 import BytesList, Value

from adloom.feature_store import wire
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.marks import RowMarks
from adloom.feature_store.packed_ids import packed, unpacked

Values = Mapping[str, bytes]
"""Serialised Feast values by name of the feature."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_NOT_STORED = -1
_LISTS = 3


@dataclass(frozen=True)
class UserHistory:
    """What a user clicked, newest last, in order of event time.

    Attributes:
        item_ids: the items.
        clicked_at: when, aware, UTC.
        ad_ids: the ad that was clicked each time; "" where it was none of the loop's.
        seen: the ads that the user looked at last, clicked or not, newest last; none where they
            are not kept.
    """

    item_ids: tuple[str, ...] = ()
    clicked_at: tuple[datetime, ...] = ()
    ad_ids: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    def newest(self, limit: int) -> UserHistory:
        """The last `limit` clicks."""
        first = max(0, len(self) - limit)
        return UserHistory(
            self.item_ids[first:], self.clicked_at[first:], self.ad_ids[first:], self.seen
        )


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


_Click = tuple[int, str, str]  # µs since 1970, item id, ad id


class HistoryRow:
    """A user's clicks, sorted: by time, those of the same moment by their names.

    So the order in which events arrive leaves no trace.
    """

    times = "clicked_at_us"
    """Of the feature that says when."""
    __slots__ = ("_ads", "_items", "_length", "_newest", "_times", "marks", "torn")

    def __init__(self) -> None:
        self.torn = False
        self.marks: RowMarks | None = None
        self._set([])

    @classmethod
    def from_values(cls, values: Values) -> Self:
        if len(values) < _LISTS:
            row = cls()
            row.torn = True  # not all of it is stored
            return row
        times = Value.FromString(values[cls.times]).int64_list_val
        items = Value.FromString(values["item_ids"]).string_list_val
        ads = _ad_elements(Value.FromString(values["ad_ids"]))
        row = cls.__new__(cls)
        row.torn, row.marks = False, None
        row._times = wire.int64_elements(times.SerializeToString())
        row._items = bytearray(items.SerializeToString())
        row._ads = bytearray(ads.SerializeToString())
        row._length = len(times.val)
        row._newest = (-1, "", "")
        if row._length:
            row._newest = (times.val[-1], items.val[-1], unpacked(ads.val[-1]))
        return row

    def to_values(self) -> dict[str, bytes]:
        return {
            "item_ids": wire.string_list_value(self._items),
            self.times: wire.int64_list_value(self._times),
            "ad_ids": wire.bytes_list_value(self._ads),
        }

    def changes(self) -> dict[str, bytes]:
        return self.to_values()

    def add(self, click: LoggedEvent, length: int) -> None:
        """Puts a click at its place in time and keeps the newest `length`."""
        new = (microseconds(click.ts), click.item_id, click.ad_id or "")
        if new >= self._newest:
            self._append(new)
        else:  # it is late
            clicks = self._clicks()
            insort(clicks, new)
            self._set(clicks)
        while self._length > length:
            self._drop_oldest()

    def remove(self, clicks: Collection[LoggedEvent]) -> None:
        """Takes clicks out again, each once where it is there."""
        left = self._clicks()
        for click in clicks:
            known = (microseconds(click.ts), click.item_id, click.ad_id or "")
            if known in left:
                left.remove(known)
        self._set(left)

    def history(self) -> UserHistory:
        clicks = self._clicks()
        return UserHistory(
            tuple(item for _, item, _ in clicks),
            tuple(moment(at) for at, _, _ in clicks),
            tuple(ad for _, _, ad in clicks),
        )

    def __len__(self) -> int:
        return self._length

    def _clicks(self) -> list[_Click]:
        values = {name: Value.FromString(value) for name, value in self.to_values().items()}
        times = values[self.times].int64_list_val.val
        items = values["item_ids"].string_list_val.val
        ads = map(unpacked, values["ad_ids"].bytes_list_val.val)
        return list(zip(times, items, ads, strict=True))

    def _set(self, clicks: list[_Click]) -> None:
        self._times, self._items, self._ads = bytearray(), bytearray(), bytearray()
        self._length = 0
        self._newest: _Click = (-1, "", "")
        for click in clicks:
            self._append(click)

    def _append(self, click: _Click) -> None:
        at, item, ad = click
        self._times += wire.varint(at)
        self._items += wire.string_element(item)
        self._ads += wire.bytes_element(packed(ad))
        self._length += 1
        self._newest = click

    def _drop_oldest(self) -> None:
        wire.drop_first_varint(self._times)
        wire.drop_first_element(self._items)
        wire.drop_first_element(self._ads)
        self._length -= 1


class ImpressionsRow(HistoryRow):
    """The ads that a user looked at, sorted alike; impressions of no ad are not among them."""

    times = "seen_at_us"
    __slots__ = ()

    def seen(self) -> tuple[str, ...]:
        """Ids of the ads, newest last."""
        return tuple(ad for _, _, ad in self._clicks())


@dataclass(slots=True)
class CountsRow:
    """Impressions and clicks, of an item in one shard.

    Attributes:
        torn: it is stored, but not all of it.
    """

    impressions: int = 0
    clicks: int = 0
    torn: bool = False
    marks: RowMarks | None = field(default=None, repr=False, compare=False)
    _stored_impressions: int = field(default=_NOT_STORED, repr=False, compare=False)
    _stored_clicks: int = field(default=_NOT_STORED, repr=False, compare=False)

    @classmethod
    def from_values(cls, values: Values) -> Self:
        impressions, clicks = (_number(values.get(name)) for name in ("impressions", "clicks"))
        torn = _NOT_STORED in (impressions, clicks)
        return cls(
            max(0, impressions),
            max(0, clicks),
            torn,
            _stored_impressions=impressions,
            _stored_clicks=clicks,
        )

    def to_values(self) -> dict[str, bytes]:
        return {
            "impressions": wire.int64_value(self.impressions),
            "clicks": wire.int64_value(self.clicks),
        }

    @property
    def stored(self) -> tuple[int, int]:
        """Impressions and clicks that the store had, as they were read or written last."""
        return max(0, self._stored_impressions), max(0, self._stored_clicks)

    @property
    def is_new(self) -> bool:
        """Whether the store has no row yet."""
        return self._stored_impressions == _NOT_STORED and self._stored_clicks == _NOT_STORED

    def is_more_than(self, found: Mapping[str, bytes | None]) -> bool:
        """Whether the store had more than these values."""
        impressions, clicks = (_number(found.get(name)) for name in ("impressions", "clicks"))
        return impressions < self._stored_impressions or clicks < self._stored_clicks

    def stored_values(self) -> dict[str, bytes | None]:
        """What the store has, as it was read or written last."""
        return {
            "impressions": _encoded(self._stored_impressions),
            "clicks": _encoded(self._stored_clicks),
        }

    def changes(self) -> dict[str, bytes]:
        """Most events are impressions, which leave the number of clicks as it is."""
        changed = {}
        if self.impressions != self._stored_impressions:
            changed["impressions"] = wire.int64_value(self.impressions)
        if self.clicks != self._stored_clicks:
            changed["clicks"] = wire.int64_value(self.clicks)
        return changed

    def note_stored(self) -> None:
        """The store has all of it now."""
        self._stored_impressions, self._stored_clicks = self.impressions, self.clicks

    def count(self, event: LoggedEvent, times: int = 1) -> None:
        """Counts an event; -1 times takes it out again."""
        if event.kind == "click":
            self.clicks = max(0, self.clicks + times)
        else:
            self.impressions = max(0, self.impressions + times)


def microseconds(at: datetime) -> int:
    """µs since 1970 of an aware moment."""
    return (at - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """The aware moment, UTC, `at` µs after 1970."""
    return _EPOCH + at * _MICROSECOND


def _ad_elements(value: Value) -> BytesList:
    """Earlier versions wrote the ids as texts."""
    if value.WhichOneof("val") == "string_list_val":
        return BytesList(val=map(packed, value.string_list_val.val))
    return value.bytes_list_val


def _number(value: bytes | None) -> int:
    return _NOT_STORED if value is None else int(Value.FromString(value).int64_val)


def _encoded(number: int) -> bytes | None:
    return None if number == _NOT_STORED else wire.int64_value(number)
