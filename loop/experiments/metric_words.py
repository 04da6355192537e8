"""A metric as the report tells it: as figures by name, and in a sentence."""

from __future__ import annotations

from typing import Any

from adloom.loop.experiments.lifts import lift_json
from adloom.loop.experiments.metrics import MetricArm, MetricResult
from adloom.loop.settings.experiments import Experiment
from adloom.loop.settings.metrics import Metric


def metric_json(name: str, found: MetricResult, experiment: Experiment) -> dict[str, Any]:
    """Figures by name; changes are as they were counted, whatever the goal."""
    return {
        "kind": found.metric.kind,
        "event": found.metric.event,
        "role": found.metric.role,
        "goal": found.metric.goal,
        "margin": found.metric.margin if found.metric.role == "guardrail" else None,
        "alpha": found.alpha,
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
    return f"{name} ({counted(metric)}; {role}): {'; '.join(told)}."


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
