"""An experiment as one HTML file that needs nothing else."""

from __future__ import annotations

import math
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from adloom.loop.experiments.metric_words import metric_sentence
from adloom.loop.experiments.reading.charts import LiftPoint, lift_over_time, lifts_beside
from adloom.loop.experiments.reading.lifts import LiftFigures
from adloom.loop.experiments.reading.reading import ExperimentReading
from adloom.loop.experiments.reading.sentences import sentences
from adloom.loop.statistics.rates import Interval

_LARGEST_SHOWN = 10.0
_MARKS = {"better": "good", "not_worse": "good", "held": "good", "worse": "bad", "broken": "bad"}


def write_page(reading: ExperimentReading, path: Path) -> None:
    """Writes the page; styles and charts are inside it, it asks the network nothing."""
    path.write_text(page_of(reading), encoding="utf-8")


def page_of(reading: ExperimentReading) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=PackageLoader("adloom.loop.experiments.reading", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    environment.filters["signed"] = _signed
    environment.filters["span"] = _span
    environment.filters["amount"] = _amount
    environment.filters["format_count"] = "{:,}".format
    report = reading.report
    control = report.experiment.control_arm
    others = [arm for arm in report.judgement.arms if arm != control]
    deciding = [name for name, m in report.metrics.items() if m.metric.role == "decision"]
    return environment.get_template("experiment.html.j2").render(
        reading=reading,
        report=report,
        judged=report.judgement,
        control=control,
        marks=_MARKS,
        others=others,
        told=sentences(reading),
        over_time={arm: _over_time(reading, arm) for arm in others},
        metrics_over_time={
            name: {arm: _over_time(reading, arm, name) for arm in others} for name in deciding
        },
        metric_sentences=[
            metric_sentence(name, found, report.experiment)
            for name, found in report.metrics.items()
        ],
        compared_parts=[
            (segment, arm, segment.arms[arm])
            for segment in reading.segments
            for arm in others
            if segment.arms[arm].lift is not None
        ],
        compared_metrics=[
            (segment, metric, arm, figures)
            for segment in reading.segments
            for metric, arm, figures in segment.lifts
            if metric and arm != control and segment.q_value(metric, arm) is not None
        ],
        metric_parts=sum(
            len(arms) - 1 for segment in reading.segments for arms in segment.metrics.values()
        ),
        beside={arm: _beside(reading, arm) for arm in others},
    )


def _over_time(reading: ExperimentReading, arm: str, metric: str | None = None) -> str:
    points = []
    for day in reading.days:
        at: LiftFigures = (day.so_far if metric is None else day.metrics[metric])[arm]
        points.append(
            LiftPoint(f"{day.day:%d %b}", at.lift, at.always_valid_low, at.always_valid_high)
        )
    of = "" if metric is None else f" in {metric}"
    return lift_over_time(points, f"Lift of {arm}{of} by day, with its always-valid interval")


def _beside(reading: ExperimentReading, arm: str) -> str:
    points = [
        _point(f"{segment.kind}: {segment.name}", segment.arms[arm]) for segment in reading.segments
    ]
    return lifts_beside(points, f"Lift of {arm} in parts of the shop, with 95 % intervals")


def _point(label: str, figures: LiftFigures) -> LiftPoint:
    return LiftPoint(label, figures.lift, figures.low, figures.high)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def _amount(value: float | None, kind: str) -> str:
    """A metric's value: a share of the ads, or a sum a user, an ad or a click."""
    if value is None or not math.isfinite(value):
        return "not known"
    return _percent(value) if kind == "click_through_rate" else f"{value:,.4g}"


def _span(ends: Interval | LiftFigures) -> str:
    if ends.low is None or ends.high is None or ends.high > _LARGEST_SHOWN:
        return f"{_signed(ends.low)} to no bound"
    return f"{100 * ends.low:+.1f} to {100 * ends.high:+.1f} %"


def _signed(value: float | None) -> str:
    if value is None:
        return "?"
    return "no bound" if value > _LARGEST_SHOWN else f"{100 * value:+.1f} %"
