"""What figures say, a sentence each: the command, the page and the studio tell the same."""

from __future__ import annotations

from adloom.loop.experiments.reading.reading import ExperimentReading
from adloom.loop.settings.experiments import Experiment

_LARGEST_TOLD = 1.0


def sentences(reading: ExperimentReading) -> list[str]:
    """In the order to read them."""
    experiment = reading.report.experiment
    told = [*reading.report.notes, *_goal(experiment)]
    if reading.report.judgement.verdict not in ("ship", "keep_control"):
        told += [_ahead(reading, arm) for arm in reading.ahead.arms if not _certain(reading, arm)]
    told += [_adjusted(reading)]
    return told + (_parts(reading) if reading.segments else [])


def _parts(reading: ExperimentReading) -> list[str]:
    found = [
        f"{segment.kind} {segment.name}, {arm}{f', {metric}' if metric else ''} "
        f"({figures.lift:+.1%})"
        for segment in reading.segments
        for metric, arm, figures in segment.lifts
        if (q := segment.q_value(metric, arm)) is not None and q < 0.05
    ]
    metrics = reading.report.metrics
    told = [
        "Parts in which a lift is found when all parts"
        + (", by clicks and by every metric," if metrics else "")
        + " are held against each other: "
        + ("; ".join(found) if found else "none")
        + ". They were looked at once; a new experiment on a part is what proves it."
    ]
    kinds = {segment.kind for segment in reading.segments} if metrics else set()
    if "language" in kinds:
        told.append("By language, metrics are of the users whose first ad was in it.")
    if "category" in kinds:
        told.append(
            "By category, metrics count what is of its products alone, over all users of the arm."
        )
    told += [
        f"{name} is not told by category: {count:,} of its outcomes say no product (item_id)."
        for name, count in reading.without_product.items()
    ]
    return told


def _goal(experiment: Experiment) -> list[str]:
    if experiment.holdout is not None:
        return [
            f"{experiment.holdout} is a holdout: its users keep it for good, and all other ads, "
            "those of other experiments too, are compared with it."
        ]
    if experiment.goal == "non_inferiority":
        return [
            f"The goal is not to lose more than {experiment.margin:.0%} of the clicks: an arm "
            "ships once that is certain, whether it gains any or not."
        ]
    return []


def _ahead(reading: ExperimentReading, arm: str) -> str:
    found, plan = reading.ahead.arms[arm], reading.ahead
    what = (
        f"a loss of {found.sought:.0%}" if _by_margin(reading) else f"a lift of {found.sought:.0%}"
    )
    verb = "rule out" if _by_margin(reading) else "find"
    if found.more_ads is None:
        return f"{arm}: what it takes to {verb} {what} is told once both arms have clicks."
    if not found.more_ads:
        return f"{arm}: there are ads enough to {verb} {what} with a chance of {plan.power:.0%}."
    days = ""
    if found.more_days is not None:
        days = f", {_days(found.more_days)} at {plan.ads_a_day:,.0f} a day,"
    return (
        f"{arm}: about {found.more_ads:,} more ads{days} {verb} {what} with a chance of "
        f"{plan.power:.0%}; those so far {verb} {so_far(found.detectable or 0)}."
    )


def so_far(detectable: float) -> str:
    """A lift that no ad has is none to plan by."""
    return f"{detectable:.0%}" if detectable <= _LARGEST_TOLD else "none below a doubling"


def _certain(reading: ExperimentReading, arm: str) -> bool:
    """Whether its clicks are told apart from the control's already, and no more ads are needed."""
    lift = reading.report.judgement.arms[arm].lift
    least = -reading.report.experiment.tolerated_loss
    return lift is not None and (lift.always_valid.low > least or lift.always_valid.high < least)


def _by_margin(reading: ExperimentReading) -> bool:
    return reading.report.experiment.goal == "non_inferiority"


def _days(days: float) -> str:
    whole = max(1, round(days))
    return "1 day" if whole == 1 else f"{whole:,} days"


def _adjusted(reading: ExperimentReading) -> str:
    if reading.adjusted is None:
        if reading.report.experiment.allocation != "fixed":
            return "Lifts are not adjusted by the time before: users change their arm here."
        return (
            "Lifts are not adjusted by what users did before (CUPED, which narrows their "
            "intervals): nobody was seen in the four weeks before the start."
        )
    told = [
        f"{arm} {adjusted.figures.lift:+.1%} (variance saved: {adjusted.variance_saved:.0%})"
        for arm, adjusted in reading.adjusted.items()
        if adjusted.figures.lift is not None and adjusted.variance_saved is not None
    ]
    return (
        "Adjusted by what users did in the four weeks before the start (CUPED): "
        + (", ".join(told) if told else "no lift yet")
        + "; the verdict goes by the plain lift."
    )
