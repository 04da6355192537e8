"""A demo run as the report page shows it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.stats import t

from adloom.loop.demo.parts import FROZEN, LEARNING, DemoLoop
from adloom.loop.demo.report.parts import (
    ArmShown,
    Comparison,
    Expected,
    RoundClicks,
    RoundTraining,
    RunReport,
    VersionRow,
)
from adloom.loop.demo.report.stories import AdsSeen, changes_of, formats_of, stories_of
from adloom.loop.demo.run import DemoRun, Drawn, Shown, click_rate, oracle_rate
from adloom.loop.learning.registry import Version

_STORIES, _FIRST_STORIES = 24, 8


def report_of(
    run: DemoRun, loop: DemoLoop, out: Path, seen: AdsSeen, to_come: Sequence[str] = ()
) -> RunReport:
    """Collect what the page tells of a run; ``to_come`` is what it has yet to do."""
    chosen = _chosen([*run.drawn, *run.shown], _FIRST_STORIES if to_come else _STORIES)
    return RunReport(
        made_at=datetime.now(UTC),
        seconds=run.seconds,
        events_produced=run.produced,
        events_consumed=run.consumed,
        dead_letters=dict(run.dead_letters),
        ads_served=len(run.shown),
        stories=stories_of(chosen, loop, seen),
        clicks=_clicks(run),
        beside=Comparison(
            frozen=[None, *run.by_round(FROZEN, click_rate)],
            oracle=[None, *run.by_round(None, oracle_rate)],
            drift_from=run.drift_from,
            recovered=run.recovered,
            arms=_arms(run),
            verdict="" if run.experiment is None else run.experiment.judgement.reason,
            expected=_expected(run),
        ),
        trainings=[
            RoundTraining(
                number=o.number,
                version=o.version,
                train_clicks=o.train_clicks,
                heldout_clicks=o.heldout_clicks,
                heldout_before=o.heldout_before,
                heldout_after=o.heldout_after,
                promoted=o.passed,
                objections=o.objections,
                losses=o.losses,
                seconds=o.seconds,
                trend_items=o.trend_items,
            )
            for o in run.outcomes
        ],
        versions=[_row(version) for version in loop.registry.versions()],
        next_commands=[] if to_come else _next_commands(out),
        formats=formats_of(chosen[0], loop, seen) if chosen and not to_come else [],
        changes=changes_of(run.pairs, loop, seen),
        seconds_by_step=run.seconds_by_step,
        to_come=to_come,
    )


def _next_commands(out: Path) -> list[tuple[str, str]]:
    home = shlex.quote(str(out / "home"))
    config = shlex.quote(str(out / "adloom.toml"))
    return [
        ("Serve ads for these shoppers", f"ADLOOM_HOME={home} adloom serve"),
        ("What the experiment proved", f"adloom --config {config} experiment report"),
        ("Train one more round", f"ADLOOM_HOME={home} adloom train-round --force"),
        (
            "See runs and versions in MLflow",
            f"mlflow ui --backend-store-uri sqlite:///{home}/mlflow/mlflow.db",
        ),
        ("Go back to the champion before", f"ADLOOM_HOME={home} adloom rollback"),
    ]


def _chosen(ads: Sequence[Drawn], most: int) -> list[Drawn]:
    """The newest round first, clicked ads before the others, one a shopper while there are any;
    of shoppers who are known those come first of whom more was read."""

    def rank(ad: Drawn) -> tuple[int, bool, bool]:
        return -ad.round_number, not (isinstance(ad, Shown) and ad.clicked), not ad.read

    first_of: dict[str, Drawn] = {}
    for candidate in sorted(ads, key=rank):
        first_of.setdefault(candidate.exposure.user_id, candidate)
    return list(first_of.values())[:most]


def _clicks(run: DemoRun) -> list[RoundClicks]:
    impressions, clicks = run.warm_up
    rows = [RoundClicks("Shop", "no model", impressions, clicks)]
    for number in run.round_numbers:
        shown = run.of(LEARNING, number)
        made_by = f"version {shown[0].version}" if shown else ""
        rows.append(
            RoundClicks(f"Round {number}", made_by, len(shown), sum(s.clicked for s in shown))
        )
    return rows


def _expected(run: DemoRun) -> dict[str, Expected]:
    if not run.shown:
        return {}
    chances = {
        arm: [[s.chance for s in run.of(arm, number)] for number in run.round_numbers]
        for arm in (FROZEN, LEARNING)
    }
    every = [run.of(None, number) for number in run.round_numbers]
    chances["oracle"] = [[s.best_chance for s in shown] for shown in every]
    ideal = [[s.ideal_chance for s in shown if s.ideal_chance is not None] for shown in every]
    if all(ideal):
        chances["ideal"] = ideal
    return {
        arm: Expected(
            [float(np.mean(of)) if of else 0.0 for of in rounds], [_interval(of) for of in rounds]
        )
        for arm, rounds in chances.items()
    }


def _interval(chances: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean over visits."""
    n = len(chances)
    if n < 2:
        return 0.0, 1.0
    mean = float(np.mean(chances))
    reach = float(t.ppf(0.975, n - 1) * np.std(chances, ddof=1) / n**0.5)
    return max(0.0, mean - reach), min(1.0, mean + reach)


def _arms(run: DemoRun) -> list[ArmShown]:
    if run.experiment is None:
        return []
    return [
        ArmShown(
            name=name,
            shown=arm.impressions,
            clicks=arm.clicks,
            rate=arm.rate,
            low=arm.interval.low,
            high=arm.interval.high,
            lift="" if arm.lift is None else f"{arm.lift.value:+.0%}",
        )
        for name, arm in run.experiment.judgement.arms.items()
    ]


def _row(version: Version) -> VersionRow:
    tags = version.tags
    parent = f"version {tags['parent']}" if "parent" in tags else ""
    window = ""
    if "clicks_from" in tags:
        start, end = (datetime.fromisoformat(tags[k]) for k in ("clicks_from", "clicks_until"))
        window = f"{start:%d %b %H:%M} and {end:%d %b %H:%M}"
    return VersionRow(
        number=version.number,
        parent=parent,
        gate=tags.get("gate", ""),
        aliases=version.aliases,
        created=version.created,
        window=window,
    )
