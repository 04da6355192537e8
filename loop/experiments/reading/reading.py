"""An experiment, read from the log once and told in full, for command, page and studio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adloom.feature_store.event_log import EventLog
from adloom.loop.experiments.crossed import by_first_arm
from adloom.loop.experiments.happened import happened
from adloom.loop.experiments.metric_sums import Countable
from adloom.loop.experiments.outcomes import experiment_outcomes
from adloom.loop.experiments.reading.adjusted import Adjusted, adjusted_lifts
from adloom.loop.experiments.reading.ahead import Ahead, ahead
from adloom.loop.experiments.reading.before import before_start
from adloom.loop.experiments.reading.days import Day, by_day
from adloom.loop.experiments.reading.segments import (
    Products,
    Segment,
    by_segment,
    without_product,
)
from adloom.loop.experiments.report import ExperimentReport, plain, report_outcomes
from adloom.loop.settings.experiments import Experiment


@dataclass(frozen=True)
class ExperimentReading:
    """The report, and what stands beside it.

    Attributes:
        report: arms, split, guardrails and verdict.
        days: what was known day by day.
        segments: the lift in parts of the shop.
        without_product: of the metrics that are not told by category, how many of their outcomes
            say no product.
        adjusted: lifts adjusted by the time before, by arm; None where that cannot be.
        ahead: how much more there is to show.
    """

    report: ExperimentReport
    days: list[Day]
    segments: list[Segment]
    without_product: dict[str, int]
    adjusted: dict[str, Adjusted] | None
    ahead: Ahead

    def as_json(self) -> dict[str, Any]:
        """Figures by name, those of the report too; what is not known or has no bound is null."""
        more = {
            "goal": self.report.experiment.goal,
            "ahead": asdict(self.ahead),
            "by_day": [asdict(day) for day in self.days],
            "segments": [asdict(segment) for segment in self.segments],
            "not_by_category": self.without_product,
            "adjusted": None
            if self.adjusted is None
            else {arm: asdict(adjusted) for arm, adjusted in self.adjusted.items()},
        }
        return self.report.as_json() | {key: plain(value) for key, value in more.items()}


def read_experiment(
    log: EventLog,
    name: str,
    experiment: Experiment,
    *,
    attribution: timedelta,
    products: Products,
    unservable: Sequence[str] = (),
) -> ExperimentReading:
    """Reads the experiment's days of the log once, and the four weeks before them.

    Args:
        unservable: what to say of arms whose version is not registered.
    """
    until = datetime.now(UTC)
    outcomes = experiment_outcomes(log, name, experiment, attribution=attribution, until=until)
    before = before_start(log, outcomes.users, experiment.start)
    # As the verdict has it: whoever crossed is judged by the first arm.
    dealt = by_first_arm(outcomes, experiment)
    judged = dealt.judged
    done = happened(log, outcomes, experiment, until=until)
    countable = Countable(dealt, done, experiment, until.timestamp())
    metrics = experiment.metrics
    missing = {name: without_product(done, metric) for name, metric in metrics.items()}
    return ExperimentReading(
        report=report_outcomes(outcomes, name, experiment, until, done, unservable),
        days=by_day(judged, experiment, {n: countable.sums(m) for n, m in metrics.items()}, until),
        segments=by_segment(judged, countable, returning=before.returning, products=products),
        without_product={name: count for name, count in missing.items() if count},
        adjusted=adjusted_lifts(judged, experiment, before),
        ahead=ahead(dealt, experiment, until),
    )
