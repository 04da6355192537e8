"""Before an experiment starts: how long it takes, and which lift it can show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import pandas as pd

from adloom.feature_store.event_log import EventLog
from adloom.loop.experiments.reading.ahead import design_of, lift_of
from adloom.loop.experiments.reading.before import HISTORY
from adloom.loop.learning.labels import label_exposures
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.power import (
    Design,
    ads_needed,
    design_effect,
    detectable_lift,
)

_COLUMNS = ("kind", "ts", "user_id", "item_id", "ad_id")
_SHOWN_FOR_DAYS = (7, 14, 28, 56)


class NothingToPlanBy(LookupError):
    """Neither the log nor whoever asks tells how often ads are clicked, or how many are shown."""


@dataclass(frozen=True)
class Traffic:
    """What is known of a shop's ads.

    Attributes:
        ads: of the log, that this was counted on; 0 where there are none.
        rate: clicks an ad.
        ads_a_day: ads shown a day.
        design_effect: variance of the rate over that of as many ads of different users.
        first_day, last_day: that these ads were shown on, UTC; None where there are none.
    """

    ads: int
    rate: float
    ads_a_day: float
    design_effect: float
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True)
class Detectable:
    """The smallest lift that so many days find; None where they find none for sure."""

    days: int
    ads: int
    lift: float | None


@dataclass(frozen=True)
class Plan:
    """An experiment's length, for its smallest arm beside the control.

    Attributes:
        lift: that is to be found; 0 where the goal is not to be worse.
        ads, days: of all arms together, until the verdict finds it with the chance `power`, looked
            at once; who looks more often finds it rather sooner.
        ads_one_look: the same for a test that may be looked at only once, at its end.
        detectable: what may be found after some days; empty where the goal is not to be worse.
    """

    traffic: Traffic
    alpha: float
    power: float
    lift: float
    margin: float
    ads: float
    days: float
    ads_one_look: float
    detectable: list[Detectable]


def traffic_to_plan_by(
    log: EventLog, start: datetime, now: datetime, *, attribution: timedelta
) -> Traffic | None:
    """That of the four weeks before the start; where no ad was clicked then, of those up to now.

    None without any ad whose window is closed.
    """
    before = traffic_before(log, min(start, now), attribution=attribution)
    if start >= now or (before is not None and before.rate):
        return before
    return traffic_before(log, now, attribution=attribution) or before


def traffic_before(log: EventLog, until: datetime, *, attribution: timedelta) -> Traffic | None:
    """Of ads shown in the four weeks before `until` whose windows are closed; None without any."""
    events = log.read(since=until - HISTORY, until=until, columns=_COLUMNS)
    shown = label_exposures(events, attribution=attribution, until=until)
    shown = shown[shown["shown_at"] + attribution <= until]
    if shown.empty:
        return None
    clicked = shown["clicked_at"].notna().to_numpy(bool)
    span = (until - attribution - shown["shown_at"].iloc[0]) / timedelta(days=1)
    user = pd.factorize(shown["user_id"])[0].astype("int64")
    days = max(float(span), 1 / 24)
    return Traffic(
        len(shown),
        float(clicked.mean()),
        len(shown) / days,
        design_effect(clicked, user),
        shown["shown_at"].iloc[0].date(),
        shown["shown_at"].iloc[-1].date(),
    )


def plan_experiment(
    experiment: Experiment,
    seen: Traffic | None,
    *,
    rate: float | None = None,
    ads_a_day: float | None = None,
    lift: float | None = None,
    power: float = 0.8,
    now: datetime,
) -> Plan:
    """What is given goes before what was seen. Raises NothingToPlanBy, saying what to give."""
    if seen is not None:
        rate = seen.rate if rate is None else rate
        ads_a_day = seen.ads_a_day if ads_a_day is None else ads_a_day
    if not rate or not ads_a_day:
        raise NothingToPlanBy(
            f"{_nothing(seen, now)}: give --rate (clicks an ad) and --visits (ads a day)"
        )
    design = design_of(experiment, rate, power)
    if design is None:
        raise NothingToPlanBy("every ad is clicked: there is no higher rate to find")
    effect = seen.design_effect if seen else 1.0
    design = replace(design, design_effect=effect)
    to_find = lift_of(experiment) if lift is None else lift
    ads = ads_needed(design, to_find)
    return Plan(
        traffic=replace(
            seen or Traffic(0, rate, ads_a_day, effect), rate=rate, ads_a_day=ads_a_day
        ),
        alpha=design.alpha,
        power=power,
        lift=to_find,
        margin=design.margin,
        ads=ads,
        days=ads / ads_a_day,
        ads_one_look=ads_needed(replace(design, expected=None), to_find),
        detectable=[] if design.margin else _detectable(design, ads_a_day),
    )


def _nothing(seen: Traffic | None, now: datetime) -> str:
    """Why there is nothing to plan by, with the days that were looked at."""
    if seen is not None:
        days = f"{seen.first_day} to {seen.last_day}"
        return f"none of the {seen.ads:,} ads of the log from {days} was clicked in its window"
    days = f"from {(now - HISTORY).date()} to {now.date()}"
    return f"the log has no ad {days} whose window for clicks is over"


def _detectable(design: Design, ads_a_day: float) -> list[Detectable]:
    return [
        Detectable(days, round(days * ads_a_day), detectable_lift(design, days * ads_a_day))
        for days in _SHOWN_FOR_DAYS
    ]
