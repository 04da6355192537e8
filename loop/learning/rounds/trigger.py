"""When the next round is due: enough new clicks, or enough time and any new clicks at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.hopeless import abandon_hopeless
from adloom.loop.learning.rounds.kept import (
    Abandoned,
    RoundOutcome,
    outcomes,
    unfinished_round,
)
from adloom.loop.learning.rounds.plan import new_clicks
from adloom.loop.learning.rounds.train import next_round
from adloom.loop.learning.rounds.turn import turn
from adloom.loop.settings.learning import RoundSettings

_FEWEST_NEW = 2


@dataclass(frozen=True)
class Trigger:
    """Why a round begins, or that none does."""

    reason: str | None
    new_clicks: int


def trigger(clicks: int, rounds: RoundSettings, *, last: datetime | None, now: datetime) -> Trigger:
    """Decide from the number of new clicks and the end of the last round (None: there was none).

    Without a last round there is no time to count from: the first waits for its clicks.
    """
    if clicks >= rounds.min_clicks:
        return Trigger(f"{clicks} new clicks", clicks)
    waited = now - last if last is not None else timedelta(0)
    longest = rounds.max_wait_hours
    if longest is not None and clicks >= _FEWEST_NEW and waited >= timedelta(hours=longest):
        return Trigger(f"{waited} since the last round", clicks)
    return Trigger(None, clicks)


def due(ground: TrainingGround, now: datetime) -> Trigger:
    """Whether the next round of a training ground is due; one that was cut off always is.

    Rounds of other machines are those that `SharedRounds.fetch` found last.
    """
    if unfinished_round(ground.folder) is not None:
        return Trigger("a round was cut off", 0)
    finished = outcomes(ground.folder)
    last = finished[-1].until if finished else None
    events = ground.events(now, back_to=last)
    clicks = new_clicks(events.rows, ground.rounds, since=last, until=now)
    return trigger(clicks, ground.rounds, last=last, now=now)


def rounds_when_due(
    ground: TrainingGround,
    *,
    on_wait: Callable[[Trigger], None],
    on_step: Callable[[int, float], None] = lambda step, loss: None,
    on_abandoned: Callable[[Abandoned], None] = lambda abandoned: None,
    on_trouble: Callable[[Exception], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[RoundOutcome]:
    """Run rounds for ever, each when it is due; ``on_wait`` is told of every look that found none.

    The stream is consumed by processes of its own meanwhile. What goes wrong, and who runs a round
    meanwhile, is given to ``on_trouble``, and looked at again: whoever watches need not be there.
    """
    while True:
        try:
            ground.shared.fetch()
            found = due(ground, datetime.now(UTC))
            if found.reason is not None:
                outcome = _round_if_due(ground, on_step, on_abandoned)
                if outcome is not None:
                    yield outcome
                continue
            on_wait(found)
        except Exception as error:
            on_trouble(error)
        sleep(ground.rounds.watch_seconds)


def _round_if_due(
    ground: TrainingGround,
    on_step: Callable[[int, float], None],
    on_abandoned: Callable[[Abandoned], None],
) -> RoundOutcome | None:
    """Looked at once more with the turn in hand: another process may have run it."""
    with turn(ground.folder, ground.database) as still_ours, ground.shared.held(still_ours) as kept:
        abandon_hopeless(ground, on_abandoned)
        if due(ground, datetime.now(UTC)).reason is None:
            return None
        return next_round(
            ground,
            force=True,
            on_step=on_step,
            on_abandoned=on_abandoned,
            still_ours=still_ours,
            kept=kept,
        )
