"""The metrics of an experiment as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from adloom.loop.experiments.metrics import MetricArm, MetricResult
    from adloom.loop.experiments.report import ExperimentReport
    from adloom.loop.statistics.rates import Interval

_LARGEST_SHOWN = 10.0


def metric_table(found: ExperimentReport) -> Table:
    """Every metric of every arm, of users whose window is over."""
    table = Table("Metric", "Arm", box=None)
    for column in ("Users", "Value", "Change", "95 %", "Always valid"):
        table.add_column(column, justify="right")
    table.add_column("")
    for name, metric in found.metrics.items():
        for arm_name, arm in metric.arms.items():
            value = f"{arm.value:.4g}" if math.isfinite(arm.value) else "not known"
            counts = f"{arm.users:,}", value
            table.add_row(name, arm_name, *counts, *_change(arm), _state(metric, arm_name))
    return table


def _change(arm: MetricArm) -> tuple[str, str, str]:
    change = arm.change
    if change is None:
        return "", "", ""
    return f"{change.value:+.1%}", _span(change.interval), _span(change.always_valid)


def _span(interval: Interval) -> str:
    high = "no bound" if interval.high > _LARGEST_SHOWN else f"{interval.high:+.1%}"
    return f"{interval.low:+.1%} to {high}"


def _state(found: MetricResult, arm: str) -> str:
    if found.arms[arm].change is None:
        return ""
    if found.metric.role == "decision":
        return f"decides ({found.metric.goal})"
    worse = "-" if found.metric.goal == "increase" else "+"
    return "[red]too much[/]" if found.broken(arm) else f"limit {worse}{found.metric.margin:.1%}"
