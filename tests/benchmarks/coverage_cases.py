"""Experiments whose truth is known, each with what makes intervals wrong if nobody thinks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.settings.experiments import Experiment
from tests.experiment_data import DAY, START, experiment, outcomes_of, simulated_thompson

RATE, HOUR = 0.1, 3_600.0
_LIFT = 0.3
_LOOKS = 20
_EVEN = (0.5, 0.5)
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """An experiment as it is in the end, and how it came there.

    Attributes:
        outcomes: n exposures with all their clicks.
        delay: seconds from an ad to its click, shape (n,); None where looks are taken of closed
            windows alone.
        base: the chance that the control's ad is clicked, shape (n,).
        lift: relative rise of that chance in each arm, shape (n, arms).
    """

    outcomes: Outcomes
    delay: Numbers | None
    base: Numbers
    lift: Numbers
    definition: Experiment

    def looks(self) -> Iterator[Outcomes]:
        """What is known at evenly spaced moments; the last one knows all."""
        whole, n = self.outcomes, len(self.outcomes)
        if self.delay is None:
            yield from (whole.head(n * look // _LOOKS) for look in range(1, _LOOKS + 1))
            return
        first, last = START.timestamp(), float(whole.shown_at[-1]) + whole.window
        clicked_at = whole.shown_at + self.delay
        for moment in np.linspace(first, last, _LOOKS + 1)[1:]:
            shown = whole.shown_at < moment
            yield replace(
                whole.where(shown),
                closed=whole.shown_at[shown] + whole.window <= moment,
                clicked=(whole.clicked & (clicked_at < moment))[shown],
            )

    def truth(self, judged: int) -> Numbers:
        """The lift of each arm over so many exposures, shape (arms,)."""
        base = self.base[:judged]
        return np.asarray(base @ self.lift[:judged] / base.sum(), np.float64)


@dataclass(frozen=True)
class Case:
    """One kind of experiment.

    Attributes:
        make: a trial, of a random generator and the lift of the second arm.
        lift: that is to be found.
        heavy_tailed: a few users have much of the traffic.
    """

    make: Callable[[np.random.Generator, float], Trial]
    lift: float = _LIFT
    heavy_tailed: bool = False


def _trial(
    rng: np.random.Generator,
    lift: float,
    visits: NDArray[np.int64],
    *,
    rate: float = RATE,
    shares: tuple[float, ...] = _EVEN,
    delays: tuple[float, ...] = (HOUR, HOUR, HOUR),
    days: float = 10.0,
    wanes: bool = False,
    moved: float = 0.0,
    chance: Numbers | None = None,
    planned: float = _LIFT,
) -> Trial:
    """Users who come `visits` times each, at any time, and click each at an own rate.

    Args:
        delays: seconds from ad to click, by arm.
        wanes: the lift falls from twice its size to nothing.
        moved: part of the users who change their arm halfway.
        chance: the users' rates; None draws them with the mean `rate`.
        planned: the lift that the experiment is to find, whether there is one or not.
    """
    users = len(visits)
    own = rng.beta(2.0, 2.0 / rate - 2.0, users) if chance is None else chance
    who = rng.permutation(np.repeat(np.arange(users), visits))
    n, arms = len(who), len(shares)
    shown_at = START.timestamp() + np.sort(rng.random(n)) * days * DAY
    dealt = rng.choice(arms, (2, users), p=shares)
    later = (np.arange(n) >= n // 2) & (rng.random(users) < moved)[who]
    arm = np.where(later, dealt[1, who], dealt[0, who])
    size = lift * (np.linspace(2.0, 0.0, n) if wanes else np.ones(n))
    lifts = np.zeros((n, arms))
    lifts[:, 1] = size
    base = own[who]
    clicked = rng.random(n) < np.minimum(1.0, base * (1 + lifts[np.arange(n), arm]))
    names = ("control", "other", "third")[:arms]
    outcomes = outcomes_of(
        who, arm, clicked, np.tile(shares, (n, 1)), np.zeros(n, np.int64),
        arms=names, shown_at=shown_at,
    )  # fmt: skip
    weights: dict[str, Any] = {
        name: {"weight": share} for name, share in zip(names, shares, strict=True)
    }
    return Trial(
        outcomes,
        np.array(delays)[arm],
        base,
        lifts,
        experiment(arms=weights, expected_lift=planned),
    )


def _few(users: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(1, 10, users)


def _one_bot(rng: np.random.Generator, lift: float) -> Trial:
    """A bot with a fifth of the traffic, whose rate is nobody's."""
    visits = np.append(_few(1_600, rng), 2_000)
    chance = np.append(rng.beta(2.0, 2.0 / RATE - 2.0, 1_600), rng.uniform(0.0, 0.5))
    return _trial(rng, lift, visits, chance=chance)


def _pareto(rng: np.random.Generator, lift: float) -> Trial:
    visits = np.minimum(5_000, np.ceil(1 + rng.pareto(1.1, 2_000))).astype(np.int64)
    return _trial(rng, lift, visits)


def _thompson(
    rng: np.random.Generator, lift: float, *, late: tuple[int, int] = (0, 0), trend: float = 0.0
) -> Trial:
    seed, n = int(rng.integers(2**31)), 8_000
    outcomes = simulated_thompson(
        n, users=1_600, seed=seed, batch=400, lift=lift, late=late, trend=trend
    )
    lifts = np.tile([0.0, lift], (n, 1))
    definition = experiment(allocation="thompson", expected_lift=_LIFT)
    return Trial(outcomes, None, np.ones(n), lifts, definition)


CASES: dict[str, Case] = {
    "users_with_1_to_50_ads": Case(lambda rng, lift: _trial(rng, lift, rng.integers(1, 51, 400))),
    "one_bot": Case(_one_bot, heavy_tailed=True),
    "pareto_visits": Case(_pareto, heavy_tailed=True),
    "rate_of_0.1_percent": Case(
        lambda rng, lift: _trial(rng, lift, rng.integers(1, 4, 40_000), rate=0.001, planned=1.0),
        lift=1.0,
    ),
    "three_unequal_arms": Case(
        lambda rng, lift: _trial(rng, lift, _few(2_000, rng), shares=(0.6, 0.3, 0.1))
    ),
    "thompson_with_trend": Case(lambda rng, lift: _thompson(rng, lift, trend=1.0)),
    "thompson_with_delayed_clicks": Case(lambda rng, lift: _thompson(rng, lift, late=(0, 6))),
    "novelty": Case(lambda rng, lift: _trial(rng, lift, _few(2_000, rng), wanes=True)),
    "unequal_delays": Case(
        lambda rng, lift: _trial(
            rng, lift, _few(2_000, rng), delays=(2 * HOUR, 10 * HOUR), days=2.0
        )
    ),
    "crossed_users": Case(lambda rng, lift: _trial(rng, lift, _few(2_000, rng), moved=0.1)),
}
