"""A metric as the report tells it: as figures by name, and in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adloom.loop.experiments.lifts import FEWEST_USERS, lift_json
from adloom.loop.experiments.metrics import FEWEST_ACTIVE, MetricArm, MetricResult
from adloom.loop.settings.experiments import Experiment
from adloom.loop.settings.metrics import Metric

_MOST_NAMED, _MOST_CHARACTERS = 10, 64


def metric_json(name: str, found: MetricResult, experiment: Experiment) -> dict[str, Any]:
    """Figures by name; changes are as they were counted, whatever the goal."""
    return {
        "kind": found.metric.kind,
        "event": found.metric.event,
        "role": found.metric.role,
        "goal": found.metric.goal,
        "margin": found.metric.margin if found.metric.role == "guardrail" else None,
        "alpha": found.alpha,
        "window_hours": found.window_hours,
        "late_events": found.late,
        "sentence": metric_sentence(name, found, experiment),
        "arms": {
            arm_name: _arm_json(arm)
            | {
                "broken": found.metric.role == "guardrail" and found.broken(arm_name),
                "verdict": found.verdict(arm_name, experiment),
            }
            for arm_name, arm in found.arms.items()
        },
    }


def metric_sentence(name: str, found: MetricResult, experiment: Experiment) -> str:
    """What is counted, what for, and what is certain of each arm."""
    metric = found.metric
    up = metric.goal == "increase"
    if metric.role == "decision":
        role = f"decides; {'more' if up else 'less'} is better"
    else:
        role = f"guardrail; it may {'fall' if up else 'rise'} by {metric.margin:.1%} at most"
    told = [
        f"{arm} {_verdict(found, arm, experiment)}"
        for arm in found.arms
        if arm != experiment.control_arm
    ]
    window = f"within {_hours(found.window_hours)} of a user's first ad"
    sentence = f"{name} ({counted(metric)}, {window}; {role}): {'; '.join(told)}."
    return sentence + (f" {_late(found.late)}" if found.late else "")


def unseen_events(metrics: Mapping[str, MetricResult], seen: Sequence[str]) -> list[str]:
    """A sentence for each metric whose event no user ever sent, once there are users enough.

    Args:
        seen: what outcomes of the experiment's users are called, the most frequent first.
    """
    known = ", ".join(name[:_MOST_CHARACTERS] for name in seen[:_MOST_NAMED])
    known += f" and {len(seen) - _MOST_NAMED} more" if len(seen) > _MOST_NAMED else ""
    has = f"the log has: {known}" if seen else "the log has no outcomes of them at all"
    return [
        f"{name}: no event {found.metric.event} has been seen of the experiment's users; {has}"
        for name, found in metrics.items()
        if found.metric.event is not None
        and found.metric.event not in seen
        and sum(arm.users for arm in found.arms.values()) >= FEWEST_USERS
    ]


def _hours(hours: float) -> str:
    return "1 hour" if hours == 1 else f"{hours:,.4g} hours"


def _late(events: int) -> str:
    came = "1 event came" if events == 1 else f"{events:,} events came"
    return f"{came} after the window, and {'counts' if events == 1 else 'count'} nothing."


def counted(metric: Metric) -> str:
    """What a metric is, in words."""
    match metric.kind:
        case "ads_per_user":
            return "ads a user"
        case "clicks_per_user":
            return "clicks a user"
        case "click_through_rate":
            return "clicks an ad"
        case "outcomes":
            what = "value" if metric.value == "sum" else "number"
            return f"{what} of {metric.event} {'a' if metric.per != 'ad' else 'an'} {metric.per}"


def _verdict(found: MetricResult, arm: str, experiment: Experiment) -> str:
    control, margin = experiment.control_arm, f"{found.metric.margin:.1%}"
    match found.verdict(arm, experiment):
        case "better":
            return f"is better than {control} for certain"
        case "not_worse":
            return f"loses less than {experiment.tolerated_loss:.1%} against {control} for certain"
        case "worse" if experiment.tolerated_loss:
            return f"loses more than {experiment.tolerated_loss:.1%} against {control} for certain"
        case "worse":
            return f"is worse than {control} for certain"
        case "held":
            return f"stays within {margin} for certain"
        case "broken":
            return f"goes beyond {margin} for certain"
        case "collecting" if all(
            one.effective_users >= FEWEST_USERS for one in found.arms.values()
        ):
            return f"is not told: an arm has fewer than {FEWEST_ACTIVE} users who did anything"
        case "collecting":
            return "has too few users to tell"
        case _ if found.metric.role == "guardrail":
            return f"is neither certain to stay within {margin} nor to go beyond"
        case _:
            return "may still be better or worse"


def _arm_json(arm: MetricArm) -> dict[str, Any]:
    return {
        "users": arm.users,
        "open_users": arm.open_users,
        "effective_users": arm.effective_users,
        "active_users": arm.active_users,
        "total": arm.total,
        "value": arm.value,
        "value_low": arm.interval.low,
        "value_high": arm.interval.high,
    } | lift_json("change", arm.change)
