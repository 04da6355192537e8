"""How a click log is laid out: names of its columns, its moments, what a row stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from adloom.loop.replay.errors import UnknownLayout
from adloom.stream.event_settings import EVENT_FIELDS, EventSettings, FieldMap, MomentSource
from adloom.stream.events import EVENT_TYPES, Kind
from adloom.stream.forgotten import NOBODY, Forgotten
from adloom.stream.moments import TimeUnit
from adloom.stream.own_events import OwnEvents
from adloom.stream.paths import taking

COLUMNS = [*sorted(EVENT_FIELDS - {"event_id"}), "click", "kind"]


@dataclass(frozen=True)
class Layout:
    """What the user tells of the file; all of it may be left out.

    Attributes:
        columns: own name of each of adloom's fields, of `click` and of `kind`, in this file.
        separator: of CSV; None = the one that the first line has most of.
        unit: of `ts` where it is a number; None = ISO 8601.
        zone: of moments that tell none.
        kind: of every row, for files that have a row for each click, say.
        events: how the shop's own events read, for JSON lines.
        usual_columns: as `columns`, of all click logs; for payloads of the shop, `events` tells.
        usual_unit: as `unit`, likewise.
        forgotten: whose rows are left out.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    separator: str | None = None
    unit: TimeUnit | None = None
    zone: str = "UTC"
    kind: Literal["impression", "click"] | None = None
    events: EventSettings = field(default_factory=EventSettings)
    usual_columns: Mapping[str, str] = field(default_factory=dict)
    usual_unit: TimeUnit | None = None
    forgotten: Forgotten = NOBODY

    def __post_init__(self) -> None:
        """Raises UnknownLayout."""
        unknown = sorted((self.columns.keys() | self.usual_columns.keys()) - set(COLUMNS))
        if unknown:
            raise UnknownLayout(f"no field is called {unknown[0]}: there are {', '.join(COLUMNS)}")
        if self.separator is not None and len(self.separator) != 1:
            raise UnknownLayout("a separator is one character: , ; | or tab")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise UnknownLayout(f"{self.zone} is no time zone, such as Europe/Berlin") from error

    def of_table(self) -> Layout:
        """The layout of a file with columns: they are no payloads of the shop."""
        return replace(
            self,
            columns={**self.usual_columns, **self.columns},
            unit=self.unit or self.usual_unit,
            events=EventSettings(),
        )

    def of_json_lines(self, first: Mapping[str, Any]) -> Layout:
        """The layout of a file whose first object is this: payloads of the shop, or a table."""
        told = self.events.kind is not None or any(map(self.events.map_of, EVENT_TYPES))
        if not told:
            return replace(self.of_table(), events=self.events)
        usual = [self.usual_columns[name] for name in self.usual_columns.keys() - self.columns]
        is_table = bool(usual) and all(taking(name)(first) is not None for name in usual)
        return self.of_table() if is_table else self

    def readers(self) -> dict[Kind, OwnEvents]:
        """What reads the events of each kind. Raises UnknownLayout."""
        return {kind: self._reader(kind) for kind in EVENT_TYPES}

    def _reader(self, kind: Kind) -> OwnEvents:
        shop = self.events.map_of(kind) or FieldMap()
        own: dict[str, Any] = {n: c for n, c in self.columns.items() if n in EVENT_FIELDS}
        if self.unit is not None or "ts" in own:
            told = (shop.ts or MomentSource(path="ts")).model_dump(exclude_none=True)
            if "ts" in own:
                told.pop("value", None)
                told["path"] = own["ts"]
            own["ts"] = told | ({"unit": self.unit} if self.unit else {})
        try:
            given = FieldMap.model_validate(own)
        except ValidationError as error:
            problem = error.errors()[0]
            raise UnknownLayout(f"--map {problem['loc'][0]}: {problem['msg']}") from error
        return OwnEvents(kind, given.over(shop), zone=ZoneInfo(self.zone))
