"""Simulated exposures of an experiment, and definitions to judge them by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adloom.loop.experiments.assignment import Allocation, assign
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.thompson import effective_counts, thompson_shares
from adloom.loop.settings.experiments import Experiment

START = datetime(2026, 1, 2, tzinfo=UTC)
RATE = 0.1
"""Mean click-through rate of the control."""
DAY = 86_400.0
"""Seconds; clicks count for so long."""


def experiment(**changes: Any) -> Experiment:
    """Two arms, half of the users each."""
    given: dict[str, Any] = {"start": START, "arms": {"control": {}, "other": {"guidance": 5.0}}}
    return Experiment.model_validate(given | changes)


@dataclass(frozen=True)
class Visits:
    """Shoppers coming to the shop, in the order of time.

    Attributes:
        who: int64, shape (n,), number of the shopper.
        chance: float64, shape (n,), probability that the shopper clicks the control's ad.
        names: the shoppers' user ids.
    """

    who: NDArray[np.int64]
    chance: NDArray[np.float64]
    names: list[str]

    @classmethod
    def drawn(cls, n: int, users: int, rng: np.random.Generator, rate: float = RATE) -> Visits:
        """Shoppers who differ: some come often, some click often, most do neither.

        How often a shopper comes is log-normal, how readily one clicks Beta with mean `rate`; both
        are the shopper's own for ever, so that what one does is correlated.
        """
        eagerness = rng.beta(2.0, 2.0 / rate - 2.0, users)
        visits = rng.lognormal(sigma=1.0, size=users)
        who = rng.choice(users, n, p=visits / visits.sum())
        return cls(who, eagerness[who], [f"shopper-{number}" for number in range(users)])

    def dealt(self, salt: str, shares: Allocation, who: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of `who` is in the second arm, by the real salted hash."""
        members, codes = np.unique(who, return_inverse=True)
        names = (self.names[number] for number in members)
        arms = [assign("trial", salt, name, shares).variant for name in names]
        return np.array([arm == "other" for arm in arms])[codes]


def simulated(
    exposures: int,
    *,
    users: int,
    seed: int,
    lift: float = 0.0,
    real_shares: tuple[float, float] = (0.5, 0.5),
    rate: float = RATE,
) -> Outcomes:
    """An experiment with fixed, even shares.

    Args:
        lift: relative rise of every click probability in the second arm.
        real_shares: what users are dealt by; the log says even shares whatever these are.
    """
    rng = np.random.default_rng(seed)
    visits = Visits.drawn(exposures, users, rng, rate)
    shares = Allocation(dict(zip(("control", "other"), real_shares, strict=True)))
    in_other = visits.dealt(f"salt-{seed}", shares, visits.who)
    chance = np.minimum(1.0, visits.chance * np.where(in_other, 1 + lift, 1.0))
    clicked = rng.random(exposures) < chance
    even = np.full((exposures, 2), 0.5)
    return outcomes_of(visits.who, in_other, clicked, even, np.zeros(exposures, np.int64))


def simulated_thompson(
    exposures: int,
    *,
    users: int,
    seed: int,
    batch: int,
    lift: float = 0.0,
    late: tuple[int, int] = (0, 0),
    trend: float = 0.0,
) -> Outcomes:
    """An experiment whose shares follow the clicks, anew after every `batch` exposures.

    Args:
        late: how many batches after an ad its click comes, by arm; windows are as long as the
            longer of these.
        trend: by how much click probabilities rise, relatively, from the first to the last ad.
    """
    rng = np.random.default_rng(seed)
    visits = Visits.drawn(exposures, users, rng)
    definition = experiment(allocation="thompson")
    in_other, clicked = np.zeros(exposures, bool), np.zeros(exposures, bool)
    shares = np.full((exposures, 2), 0.5)
    window, number = max(late) * batch, np.arange(exposures)
    times = 1 + trend * number / exposures

    def known_at(moment: int, shown: int) -> Outcomes:
        so_far = slice(0, shown)
        arrives = number[so_far] + np.where(in_other[so_far], late[1], late[0]) * batch
        return outcomes_of(
            visits.who[so_far],
            in_other[so_far],
            clicked[so_far] & (arrives < moment),
            shares[so_far],
            number[so_far] // batch,
            closed=number[so_far] + window < moment,
        )

    for start in range(0, exposures, batch):
        now = slice(start, start + batch)
        counts = effective_counts(known_at(start, start), definition)
        given = thompson_shares(["control", "other"], counts, explore=definition.explore)
        dealt_by = Allocation(given, start // batch)
        shares[now] = list(dealt_by.shares.values())
        in_other[now] = visits.dealt(f"salt-{seed}", dealt_by, visits.who[now])
        chance = visits.chance[now] * times[now] * np.where(in_other[now], 1 + lift, 1.0)
        clicked[now] = rng.random(len(chance)) < np.minimum(1.0, chance)
    return known_at(exposures + window, exposures)


def outcomes_of(
    who: NDArray[np.int64],
    arm: NDArray[np.int64] | NDArray[np.bool_],
    clicked: NDArray[np.bool_],
    shares: NDArray[np.float64],
    batch: NDArray[np.int64],
    *,
    arms: tuple[str, ...] = ("control", "other"),
    shown_at: NDArray[np.float64] | None = None,
    closed: NDArray[np.bool_] | None = None,
) -> Outcomes:
    """Exposures as the log would tell them; without times one a second, all windows closed."""
    n, dealt = len(who), arm.astype(np.int64)
    unknown = np.full(n, np.nan)
    return Outcomes(
        arms=arms,
        users=tuple(f"shopper-{number}" for number in pd.unique(who)),
        items=tuple(f"item-{number}" for number in range(20)),
        window=DAY,
        arm=dealt,
        user=_numbered(who),
        item=who % 20,
        deal=_numbered(batch * (who.max(initial=0) + 1) + who),
        shown_at=np.arange(n, dtype=np.float64) + START.timestamp()
        if shown_at is None
        else shown_at,
        closed=np.ones(n, bool) if closed is None else closed,
        clicked=clicked,
        propensity=shares[np.arange(n), dealt],
        shares=shares,
        seconds=unknown,
        drawn_together=np.zeros(n, np.int64),
        row_steps=unknown,
        invalid_title=unknown,
        version=np.ones(n, np.int64),
        source=np.zeros(n, np.int64),
    )


def _numbered(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2, ... in the order in which values are first seen."""
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]
