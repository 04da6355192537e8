"""How far back a round reads the log: to its newest clicks, however long the log is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from adloom.feature_store.event_log import EventKind, EventLog
from adloom.loop.learning.shares import fair
from adloom.loop.learning.showings import AdsKnown, believed
from adloom.loop.learning.training_set import clicked_ads
from adloom.loop.settings.learning import RoundSettings

_KINDS: tuple[EventKind, ...] = ("exposure", "impression", "click")
_COLUMNS = (
    *("kind", "ts", "user_id", "item_id", "ad_id", "position"),
    *("topic", "partition", "offset"),
)
_AT_FIRST = 4
"""Of attribution windows, that are read before it is known whether more is needed."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class RoundEvents:
    """Events of ads, as `adloom.loop.learning.showings.believed` has them.

    Attributes:
        rows: in order of time.
        since: the log was read from then on; None = all of it. Of a click up to an attribution
            window later, the showing may lie before.
        of_other_bases: ads whose events are left out, since this base learns nothing from them.
    """

    rows: pd.DataFrame
    since: datetime | None = None
    of_other_bases: int = 0


def round_events(
    log: EventLog,
    ads: AdsKnown,
    rounds: RoundSettings,
    *,
    until: datetime,
    back_to: datetime | None = None,
) -> RoundEvents:
    """The events before ``until`` that have the newest clicks, ``rounds.max_examples`` of them.

    It is read back twice as far each time, until there are so many as no shopper has too large a
    share of, or all of the log is read.

    Args:
        back_to: clicks before this need not be there, however few there are.

    Raises LogDamaged.
    """
    attribution, ends = timedelta(hours=rounds.attribution_hours), log.ends()
    first, last = ends or (until, until)
    newest, reach = min(until, last + _MICROSECOND), _AT_FIRST * attribution
    while (since := newest - reach) > first:
        known = since + attribution
        rows = believed(log.read(*_KINDS, since=since, until=until, columns=_COLUMNS), ads)
        if back_to is not None and known <= back_to:
            return RoundEvents(rows, since)
        clicked = clicked_ads(rows, attribution=attribution, until=until)
        surely = [click for click in clicked if click.clicked_at >= known]
        wanted = rounds.max_examples
        if len(fair(surely, rounds.max_user_share, newest=wanted)) >= wanted:
            return RoundEvents(rows, since)
        reach *= 2
    return RoundEvents(believed(log.read(*_KINDS, until=until, columns=_COLUMNS), ads))
