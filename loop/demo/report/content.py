"""A demo run as the report page shows it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from adloom.loop.catalogue.ad_card import finish_ad
from adloom.loop.catalogue.cards.calls import call_to_action
from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.demo.parts import FROZEN, LEARNING
from adloom.loop.demo.report.page import (
    AdStory,
    ArmShown,
    Comparison,
    HistoryPicture,
    RoundClicks,
    RoundTraining,
    RunReport,
    VersionRow,
)
from adloom.loop.demo.run import DemoRun, Shown, click_rate, oracle_rate
from adloom.loop.learning.registry import AdRegistry, Version

_STORIES = 32


def report_of(run: DemoRun, registry: AdRegistry, creatives: CreativeStore, out: Path) -> RunReport:
    """Collect what the page tells of a run."""
    home = shlex.quote(str(out / "home"))
    config = shlex.quote(str(out / "adloom.toml"))
    return RunReport(
        made_at=datetime.now(UTC),
        seconds=run.seconds,
        events_produced=run.produced,
        events_consumed=run.consumed,
        dead_letters=dict(run.dead_letters),
        ads_served=len(run.shown),
        stories=[_story(shown, creatives) for shown in _chosen(run.shown)],
        clicks=_clicks(run),
        beside=Comparison(
            frozen=[None, *run.by_round(FROZEN, click_rate)],
            oracle=[None, *run.by_round(None, oracle_rate)],
            drift_from=run.drift_from,
            recovered=run.recovered,
            arms=_arms(run),
            verdict="" if run.experiment is None else run.experiment.judgement.reason,
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
        versions=[_row(version) for version in registry.versions()],
        next_commands=[
            ("Serve ads for these shoppers", f"ADLOOM_HOME={home} adloom serve"),
            ("What the experiment proved", f"adloom --config {config} experiment report"),
            ("Train one more round", f"ADLOOM_HOME={home} adloom train-round --force"),
            (
                "See runs and versions in MLflow",
                f"mlflow ui --backend-store-uri sqlite:///{home}/mlflow/mlflow.db",
            ),
            ("Go back to the champion before", f"ADLOOM_HOME={home} adloom rollback"),
        ],
    )


def _chosen(shown: Sequence[Shown]) -> list[Shown]:
    """The newest round first, clicked ads before the others, one a shopper while there are any."""
    ranked = sorted(shown, key=lambda s: (-s.round_number, not s.clicked))
    first_of: dict[str, Shown] = {}
    for candidate in ranked:
        first_of.setdefault(candidate.ad.request.user_id, candidate)
    return list(first_of.values())[:_STORIES]


def _story(shown: Shown, creatives: CreativeStore) -> AdStory:
    ad, product = shown.ad, shown.ad.request.product
    return AdStory(
        user_id=ad.request.user_id,
        product_name=product.name,
        title=ad.creative.title,
        card=finish_ad(ad.picture, ad.creative.title, call=call_to_action(product.language, {})),
        file=shown.file,
        version=int(ad.creative.version),
        round_number=shown.round_number,
        clicked=shown.clicked,
        history=tuple(
            HistoryPicture(past.title, creatives.picture(past.picture)) for past in ad.history
        ),
    )


def _clicks(run: DemoRun) -> list[RoundClicks]:
    impressions, clicks = run.warm_up
    rows = [RoundClicks("Shop", "no model", impressions, clicks)]
    for number in run.round_numbers:
        shown = run.of(LEARNING, number)
        made_by = f"version {shown[0].ad.creative.version}" if shown else ""
        rows.append(
            RoundClicks(f"Round {number}", made_by, len(shown), sum(s.clicked for s in shown))
        )
    return rows


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
