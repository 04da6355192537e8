"""What an experiment has shown so far: arms, split, guardrails, verdict.

Everything that a verdict rests on is valid however often it is looked at: the intervals of lifts
and guardrails, and the test of the split. The 95 % intervals are those of a single look.

Clicks are judged of exposures whose attribution window is closed; the split and the guardrails, to
which no click matters, of all. Users seen in several arms of a fixed allocation are judged by
their first one, but guardrails by the arm that drew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adloom.loop.experiments.crossed import by_first_arm, units
from adloom.loop.experiments.guardrails import Guardrail, guardrails
from adloom.loop.experiments.lifts import Lift, alpha_of, click_rates, lift_of
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.split_words import is_bad, split_sentence, why_bad
from adloom.loop.experiments.too_little import lacking
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.rates import ArmRates, Interval, rate_interval
from adloom.loop.statistics.split import SplitCheck, split_check

Verdict = Literal["bad_split", "collecting", "undecided", "ship", "keep_control"]
_FEWEST_CLICKS = 20  # of each arm
_NO_LIFT = Interval(0.0, 0.0)


@dataclass(frozen=True)
class ArmResult:
    """What an arm's users did.

    Attributes:
        users: who were shown an ad whose window is closed.
        users_shown: who were shown an ad at all.
        effective_users: how many users of equal weight they are worth.
        impressions: showings whose window is closed; all counts and rates are of these.
        open: showings whose window is not: nothing is known of them yet.
        lift: None where the arm or the control has no click yet.
        chances_moved: whether its ads were dealt with different chances, so that they weigh
            differently.
        limited_users: who have more ads than count (`max_user_exposures`).
    """

    users: int
    users_shown: int
    effective_users: float
    impressions: int
    open: int
    clicks: int
    rate: float
    interval: Interval
    lift: Lift | None
    chances_moved: bool
    limited_users: int


@dataclass(frozen=True)
class Judgement:
    """The state of an experiment.

    Attributes:
        arms: by name, in the order of the definition.
        split: whether arms were dealt, and their exposures logged, as their shares say.
        guardrails: by arm (all but the control) and quantity.
        verdict: `collecting` is too little data yet; `ship` is to serve the winner from now on.
        reason: the verdict in words.
        winner: the arm to serve; None while that is not known.
    """

    arms: dict[str, ArmResult]
    split: SplitCheck
    guardrails: dict[str, dict[str, Guardrail]]
    verdict: Verdict
    reason: str
    winner: str | None

    @property
    def split_p_value(self) -> float:
        """Always valid; small where the split is not as defined."""
        return self.split.p_value

    @property
    def split_sentence(self) -> str:
        """What the test of the split found."""
        return split_sentence(self.split, sum(arm.users_shown for arm in self.arms.values()))


def judge(outcomes: Outcomes, experiment: Experiment) -> Judgement:
    """Judges an experiment by the exposures so far."""
    dealt = by_first_arm(outcomes, experiment)
    arms = _arm_results(dealt, experiment)
    split = split_check(
        unit=units(dealt, experiment),
        user=dealt.user,
        arm=dealt.arm,
        shares=dealt.shares,
        control=dealt.arms.index(experiment.control_arm),
        # Where users are what counts, arms may differ in how often they come back: no fault.
        count_exposures=not any(metric.per_user for metric in experiment.metrics.values()),
    )
    held = guardrails(outcomes, experiment)
    return Judgement(arms, split, held, *_verdict(experiment, arms, split, held))


def _arm_results(outcomes: Outcomes, experiment: Experiment) -> dict[str, ArmResult]:
    names = outcomes.arms
    control = names.index(experiment.control_arm)
    judged = outcomes.judged
    rates = click_rates(judged, experiment)
    impressions = np.bincount(judged.arm, minlength=len(names))
    shown = np.bincount(outcomes.arm, minlength=len(names))
    clicks = np.bincount(judged.arm[judged.clicked], minlength=len(names))
    return {
        name: ArmResult(
            users=int(rates.users[arm]),
            users_shown=len(np.unique(outcomes.user[outcomes.arm == arm])),
            effective_users=float(rates.effective_users[arm]),
            impressions=int(impressions[arm]),
            open=int(shown[arm] - impressions[arm]),
            clicks=int(clicks[arm]),
            rate=float(rates.rate[arm]) if impressions[arm] else 0.0,
            interval=_rate_interval(rates, arm),
            lift=_lift(rates, arm, control, experiment),
            chances_moved=len(np.unique(judged.propensity[judged.arm == arm])) > 1,
            limited_users=_limited(judged.user[judged.arm == arm], experiment),
        )
        for arm, name in enumerate(names)
    }


def _limited(users: NDArray[np.int64], experiment: Experiment) -> int:
    most = experiment.max_user_exposures
    return 0 if most is None else int((np.bincount(users) > most).sum())


def _rate_interval(rates: ArmRates, arm: int) -> Interval:
    if rates.users[arm] < 2:
        return Interval(0.0, 1.0)
    return rate_interval(rates.estimate(arm), float(rates.effective_users[arm]))


def _lift(rates: ArmRates, arm: int, control: int, experiment: Experiment) -> Lift | None:
    if arm == control:
        return Lift(0.0, _NO_LIFT, _NO_LIFT)
    ratio = rates.log_ratio(arm, control)
    if ratio is None or min(rates.users[arm], rates.users[control]) < 2:
        return None
    return lift_of(ratio, experiment, alpha_of(experiment))


def _verdict(
    experiment: Experiment,
    arms: dict[str, ArmResult],
    split: SplitCheck,
    held: dict[str, dict[str, Guardrail]],
) -> tuple[Verdict, str, str | None]:
    if is_bad(split):
        return "bad_split", f"{why_bad(split)}: find out why before you trust a rate", None
    small = [
        why
        for name, arm in arms.items()
        if (why := lacking(f'"{name}"', arm.effective_users, arm.clicks, _FEWEST_CLICKS, "clicks"))
    ]
    if small:
        return "collecting", "; ".join(small), None
    control = experiment.control_arm
    lifts = {name: arm.lift for name, arm in arms.items() if arm.lift and name != control}
    broken = {name: [q for q, rail in held[name].items() if rail.broken] for name in held}
    least = -experiment.tolerated_loss
    better = {
        name: lift.always_valid.low
        for name, lift in lifts.items()
        if lift.always_valid.low > least and not broken[name]
    }
    if better:
        best = max(better, key=lambda name: better[name])
        what = f"loses less than {-least:.1%} of" if least else "is clicked more than"
        clicks = "'s clicks" if least else ""
        return "ship", f"{best} {what} {control}{clicks}, and breaks no guardrail", best
    lost = [n for n, lift in lifts.items() if lift.always_valid.high < least or broken[n]]
    if len(lost) == len(arms) - 1:
        less = f"loses more than {-least:.1%} of the clicks" if least else "is clicked less"
        told = [f"{n} breaks {', '.join(broken[n])}" for n in lost if broken[n]]
        told += [f"{n} {less}" for n in lost if not broken[n]]
        return "keep_control", "; ".join(told), control
    if least:
        return "undecided", f"it is not certain who loses more than {-least:.1%}: go on", None
    return "undecided", "no arm is certain to be better than the control, or worse: go on", None
