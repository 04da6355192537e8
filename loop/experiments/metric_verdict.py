"""The verdict of an experiment whose settings define metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from adloom.loop.experiments.judgement import Judgement
from adloom.loop.experiments.metrics import FEWEST_ACTIVE, MetricResult
from adloom.loop.experiments.too_little import lacking
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.rates import Interval

_CLICK_THROUGH_RATE = "click-through rate"
_ACTIVE = "users who did anything"


def with_metrics(
    judgement: Judgement, experiment: Experiment, metrics: Mapping[str, MetricResult]
) -> Judgement:
    """The judgement by the metrics that decide, or the click-through rate where none does.

    An arm ships that is certain to be better in one of them, certain to be worse in none, and
    breaks no guardrail; where the goal is non-inferiority, one that is certain to lose less than
    the margin in all of them. The other checks stay as they are.
    """
    if not metrics or judgement.verdict == "bad_split":
        return judgement
    deciding = {name: found for name, found in metrics.items() if found.metric.role == "decision"}
    if small := _small(judgement, deciding):
        return replace(judgement, verdict="collecting", reason=small, winner=None)
    control, least = experiment.control_arm, -experiment.tolerated_loss
    arms = [arm for arm in judgement.arms if arm != control]
    gains = {arm: _gains(judgement, deciding, arm) for arm in arms}
    broken = {arm: _broken(judgement, metrics, arm) for arm in arms}
    worse = {arm: [n for n, gain in gains[arm].items() if gain.high < least] for arm in arms}
    better = {arm: [n for n, gain in gains[arm].items() if gain.low > least] for arm in arms}
    wanted = 1 if experiment.goal == "superiority" else len(deciding) or 1
    fit = [a for a in arms if len(better[a]) >= wanted and not worse[a] and not broken[a]]
    if fit:
        best = max(fit, key=lambda arm: max(gains[arm][name].low for name in better[arm]))
        what = "is better than" if not least else f"loses less than {-least:.1%} against"
        names = ", ".join(better[best])
        reason = f"{best} {what} {control} in {names}, and breaks no guardrail"
        if unsure := _not_certain(metrics, experiment, best):
            reason += f"; not certain to be held yet: {', '.join(unsure)}"
        return replace(judgement, verdict="ship", reason=reason, winner=best)
    told = [f"{arm} breaks {', '.join(broken[arm])}" for arm in arms if broken[arm]]
    told += [
        f"{arm} is worse in {', '.join(worse[arm])}"
        for arm in arms
        if worse[arm] and not broken[arm]
    ]
    if len(told) == len(arms):
        return replace(judgement, verdict="keep_control", reason="; ".join(told), winner=control)
    names = ", ".join(deciding or [_CLICK_THROUGH_RATE])
    reason = f"no arm is certain to be better than the control, or worse, in {names}: go on"
    return replace(judgement, verdict="undecided", reason=reason, winner=None)


def _small(judgement: Judgement, deciding: Mapping[str, MetricResult]) -> str | None:
    """Why there is too little to decide by; None where there is enough."""
    if not deciding:
        return judgement.reason if judgement.verdict == "collecting" else None
    small = [
        lacking(f'"{arm}" ({name})', one.effective_users, one.active_users, FEWEST_ACTIVE, _ACTIVE)
        for name, found in deciding.items()
        for arm, one in found.arms.items()
    ]
    return "; ".join(filter(None, small)) or None


def _gains(
    judgement: Judgement, deciding: Mapping[str, MetricResult], arm: str
) -> dict[str, Interval]:
    """Always-valid intervals of what the arm gains, by metric; better is above 0."""
    if not deciding:
        lift = judgement.arms[arm].lift
        return {} if lift is None else {_CLICK_THROUGH_RATE: lift.always_valid}
    found = {name: result.gain(arm) for name, result in deciding.items()}
    return {name: gain.always_valid for name, gain in found.items() if gain is not None}


def _not_certain(
    metrics: Mapping[str, MetricResult], experiment: Experiment, arm: str
) -> list[str]:
    """Guardrails of the settings that the arm may yet break: also those whose events never came."""
    return [
        name
        for name, found in metrics.items()
        if found.metric.role == "guardrail" and found.verdict(arm, experiment) != "held"
    ]


def _broken(judgement: Judgement, metrics: Mapping[str, MetricResult], arm: str) -> list[str]:
    rails = [name for name, rail in judgement.guardrails[arm].items() if rail.broken]
    own = {name: found for name, found in metrics.items() if found.metric.role == "guardrail"}
    return rails + [name for name, found in own.items() if found.broken(arm)]
