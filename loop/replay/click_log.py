"""Click logs as events: a row is an impression and perhaps a click, or one event of a kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from adloom.loop.replay.errors import ClickLogUnavailable
from adloom.loop.replay.kinds import NoKind, kinds_by
from adloom.loop.replay.layout import Layout
from adloom.loop.replay.rounded_ids import refuse_rounded_ids
from adloom.loop.replay.rows import Format, Row, format_of, read_rows
from adloom.stream.drop import dropping
from adloom.stream.events import Event, InvalidEvent, Reason, refuse_future
from adloom.stream.forgotten import why_left_out
from adloom.stream.paths import taking

_TOLD_REFUSALS = 1_000
_HOPELESS_ROWS = 1_000
_NEEDED = ("ts", "user_id", "item_id")
_IDS = ("user_id", "item_id", "ad_id")


@dataclass(frozen=True)
class Refused:
    """A row that is no event, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class RowEvents:
    """The events of a row, and the part of the file read with it, 0 to 1."""

    events: list[Event]
    part: float


class ClickLog:
    """Rows as events; what is refused or left out on the way is counted.

    Attributes:
        refused: rows that are no events.
        refusals: the first thousand of them.
        dropped: rows left out, by the rule of `[events] drop`; events of who is forgotten.
        forgotten: whose events are left out.
    """

    def __init__(
        self, name: str, rows: Iterable[Row], layout: Layout, written: Format | None = None
    ) -> None:
        """Read rows.

        Args:
            written: how the file is; JSON lines may be in the shop's own form, as the settings
                tell. None = the rows are of no file.

        Raises UnknownLayout.
        """
        self._name, self._rows, self._layout = name, rows, layout
        self._own_events = written == "jsonl"
        self._readers = layout.readers()
        self._untyped_ids = (
            [self._readers["click"].name_of(name) for name in _IDS] if written == "csv" else []
        )
        self._drop = dropping(layout.events.drop)
        self.forgotten = layout.forgotten
        self._kinds = kinds_by(layout)
        self.refused = 0
        self.refusals: list[Refused] = []
        self.dropped: Counter[str] = Counter()

    @classmethod
    def of(cls, file: Path, layout: Layout | None = None) -> ClickLog:
        """A file: CSV, JSON lines or Parquet, plain or in gzip.

        A row of `ts, user_id, item_id, click` is an impression, and a click where `click` is 1.
        Where there is `kind` or `event` instead, a row is one event of this kind. Known too are
        `ad_id, position` (from 0)`, propensity, variant, context`. Raises ClickLogUnavailable,
        UnknownLayout.
        """
        layout = layout or Layout()
        written = format_of(file)
        if written == "jsonl":
            start = islice(read_rows(file), _HOPELESS_ROWS)
            first = next((row.fields for row in start if row.problem is None), {})
            layout = layout.of_json_lines(first)
        else:
            layout = layout.of_table()
        rows = read_rows(file, layout.separator)
        return cls(str(file), rows, layout, written)

    def events(self, run: str, now: datetime | None = None) -> Iterator[RowEvents]:
        """The events of each row that has any; their ids begin with `run`.

        Args:
            now: what is more than five minutes later is refused; None = the present.

        Raises ClickLogUnavailable where nothing can come of it: a column is missing, or all rows
        are refused.
        """
        now = now or datetime.now(UTC)
        first, good = True, 0
        for row in self._rows:
            if first and row.problem is None:
                first = False
                if not self._own_events:  # a table has the same columns in all rows
                    self._refuse_missing_columns(row.fields)
            try:
                events = self._events(row, run, now)
            except InvalidEvent as error:
                self._refuse(row.line, error.detail)
                if not good and self.refused >= _HOPELESS_ROWS:
                    break
                continue
            good += 1
            if events:
                yield RowEvents(events, row.part)
        if self.refused and not good:
            worst = self.refusals[0]
            raise ClickLogUnavailable(
                f"{self._name}: all of the first {self.refused:,} rows are refused; "
                f"line {worst.line}: {worst.reason}"
            )

    def _events(self, row: Row, run: str, now: datetime) -> list[Event]:
        if row.problem is not None:
            raise InvalidEvent(Reason.WRONG_TYPE, row.problem)
        rule = self._drop(row.fields)
        kinds = [] if rule else self._kinds(row.fields)
        if not kinds:
            self.dropped[rule or "kind"] += 1
        else:
            refuse_rounded_ids(row.fields, self._untyped_ids)
        events = []
        for kind in kinds:
            reader = self._readers[kind]
            event = reader.read(row.fields, f"{run}-{row.line}-{kind[0]}")
            refuse_future(event, now, reader.name_of("ts"))
            if (why := why_left_out(self.forgotten, event.user_id, event.ts)) is not None:
                self.dropped[why] += 1
            else:
                events.append(event)
        return events

    def _refuse(self, line: int, reason: str) -> None:
        self.refused += 1
        if len(self.refusals) < _TOLD_REFUSALS:
            self.refusals.append(Refused(line, reason))

    def _refuse_missing_columns(self, fields: Mapping[str, Any]) -> None:
        reader = self._readers["click"]
        for needed in _NEEDED:
            name = reader.name_of(needed)
            if name not in fields and taking(name)(fields) is None:
                raise ClickLogUnavailable(
                    f"{self._name}: no column {name}; where it has another name: --map "
                    f"{needed}=NAME"
                )
        try:
            self._kinds(fields)
        except NoKind as error:
            raise ClickLogUnavailable(f"{self._name}: {error.detail}") from error
        except InvalidEvent:
            pass  # of this row alone
