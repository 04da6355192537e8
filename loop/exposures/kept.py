"""Exposures that wait for the shop's word: an ad of a mail is shown when somebody opens the mail.

Any server, or a batch, keeps them in the database, and any server takes the report. The first
report says when the ad was shown; later ones change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, select

from adloom.loop.database.statements import insert_new, parts
from adloom.loop.database.tables import kept_exposures as rows
from adloom.stream.events import MAX_CLOCK_SKEW, Exposure
from adloom.stream.forgotten import Forgotten, why_left_out

_CLEARED_AT_ONCE = 100


class UnknownExposure(LookupError):
    """No exposure of that id waits here."""

    def __init__(self, days: int) -> None:
        super().__init__(
            "no such exposure is kept: it was asked for with log_exposure: false by nobody, or "
            f"longer ago than {days} days (serve.report_days), or its shopper is forgotten"
        )


class NotThen(ValueError):
    """The ad cannot have been shown at that moment; the message says why."""


@dataclass(frozen=True)
class Reported:
    """An exposure as it counts.

    Attributes:
        at: when the ad was shown, by the first report; aware, UTC.
        event: what is to be sent; None where the broker has it already.
    """

    ad_id: str
    at: datetime
    event: Exposure | None


class KeptExposures:
    """The exposures of a database. For several threads and processes at once."""

    def __init__(self, engine: Engine, days: int) -> None:
        """They can be reported for so many days."""
        self._engine = engine
        self._days = days

    def keep(self, made: Sequence[Exposure], forgotten: Forgotten) -> set[str]:
        """Keep exposures, and clear some that are too old; returns the ids of those that are kept.

        One that is kept already stays as it is. None is kept of who is ``forgotten``.
        """
        if not made:
            return set()
        with self._engine.begin() as connection:
            connection.execute(insert_new(rows, self._engine), [_row(one) for one in made])
            self._clear(connection)
        # Looked at only now: who is forgotten later is looked for in the table by who forgets.
        left = {one.event_id for one in made if why_left_out(forgotten, one.user_id, one.ts)}
        if left:
            self.drop(sorted(left))
        return {one.event_id for one in made} - left

    def report(self, exposure_id: str, at: datetime | None, forgotten: Forgotten) -> Reported:
        """What a report makes of an exposure; the caller sends it, and says so by `sent`.

        Args:
            at: when the ad was shown, aware; None: now. By the first report alone.

        Raises UnknownExposure; NotThen.
        """
        chosen = rows.c.exposure_id == exposure_id
        now = datetime.now(UTC)
        with self._engine.connect() as connection:
            row = connection.execute(select(rows).where(chosen)).first()
        if row is None or row.made_at < now - timedelta(days=self._days):
            raise UnknownExposure(self._days)
        shown = row.reported_at
        if shown is None:
            first = chosen & rows.c.reported_at.is_(None)
            with self._engine.begin() as connection:
                told = rows.update().where(first).values(reported_at=_within(at, row.made_at, now))
                connection.execute(told)
                shown = connection.execute(select(rows.c.reported_at).where(chosen)).scalar()
        if shown is None or why_left_out(forgotten, row.user_id.decode(), shown) is not None:
            self.drop([exposure_id])
            raise UnknownExposure(self._days)
        if not row.event:
            return Reported(row.ad_id, shown, None)
        event = Exposure.model_validate_json(row.event)
        return Reported(row.ad_id, shown, event.model_copy(update={"ts": shown}))

    def sent(self, exposure_id: str) -> None:
        """The broker has it: it is not sent again."""
        with self._engine.begin() as connection:
            connection.execute(
                rows.update().where(rows.c.exposure_id == exposure_id).values(event="")
            )

    def drop(self, exposure_ids: Sequence[str]) -> None:
        """These are kept no more."""
        with self._engine.begin() as connection:
            for some in parts(exposure_ids):
                connection.execute(delete(rows).where(rows.c.exposure_id.in_(some)))

    def _clear(self, connection: Connection) -> None:
        """A few at a time, by whoever keeps new ones: the table holds what can still count."""
        old = rows.c.made_at < datetime.now(UTC) - timedelta(days=self._days)
        some = select(rows.c.exposure_id).where(old).order_by(rows.c.made_at)
        few = some.limit(_CLEARED_AT_ONCE).scalar_subquery()
        connection.execute(delete(rows).where(rows.c.exposure_id.in_(few)))


def _within(at: datetime | None, made_at: datetime, now: datetime) -> datetime:
    """A moment from the ad's making until now; clocks differ by a little. Raises NotThen."""
    if at is None:
        return now
    if at > now + MAX_CLOCK_SKEW:
        raise NotThen("the moment is in the future")
    if at < made_at - MAX_CLOCK_SKEW:
        raise NotThen(f"the ad was made only at {made_at.isoformat(timespec='seconds')}")
    return min(max(at, made_at), now)


def _row(made: Exposure) -> dict[str, object]:
    return {
        "exposure_id": made.event_id,
        "user_id": made.user_id.encode(),
        "ad_id": made.ad_id,
        "made_at": made.ts,
        "reported_at": None,
        "event": made.model_dump_json(exclude_none=True),
    }
