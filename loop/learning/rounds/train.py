"""One round of learning: new clicks in, a registered version out, and a gate in between.

A round keeps its plan, its checkpoints and its outcome in a folder of its own, so that the
same command run again after a kill goes on where the round stood and registers one version.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from adloom.feature_store.backend import FeaturesLost, StoreUnavailable, StoreUnfit
from adloom.loop.learning.click_trends import ClickTrends
from adloom.loop.learning.gate import Trial, objections, try_out
from adloom.loop.learning.model_config import model_config
from adloom.loop.learning.registry_errors import RegistryRefused, RegistryUnavailable
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.hopeless import abandon_hopeless, count_failure
from adloom.loop.learning.rounds.kept import (
    OUTCOME,
    PLAN,
    Abandoned,
    RoundOutcome,
    next_number,
    outcomes,
    round_folder,
    unfinished_round,
    write,
)
from adloom.loop.learning.rounds.plan import RoundClicks, RoundPlan, choose_clicks, offsets_of
from adloom.loop.learning.rounds.record import record_round, record_start
from adloom.loop.learning.rounds.turn import turn
from adloom.loop.learning.training_set import ShownAd, examples
from adloom.loop.learning.versions import load_version
from adloom.models.brief import Example
from adloom.models.sampling import Sampling
from adloom.models.training.fine_tune import FineTuneResult, TrainingClicks, fine_tune
from adloom.models.training.preference_loss import PreferencePair

_log = logging.getLogger(__name__)

# These say nothing of the round: it goes on once they are mended.
_OF_OTHERS = (
    RegistryUnavailable,
    RegistryRefused,
    StoreUnavailable,
    StoreUnfit,
    FeaturesLost,
    DatabaseError,
    OSError,
    MemoryError,
)


def train_round(
    ground: TrainingGround,
    *,
    force: bool = False,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
    on_abandoned: Callable[[Abandoned], None] = lambda abandoned: None,
) -> RoundOutcome:
    """Run the next round, or go on with one that was cut off.

    The new version becomes ``@challenger`` when it passes the gate (`adloom.loop.learning.gate`).
    A round that was cut off and can never end is abandoned first.

    Args:
        ground: stores, registry and generator.
        force: run even with fewer new clicks than ``rounds.min_clicks``.
        on_step: called with each step (from 1) and its loss.
        on_abandoned: called with each round that was given up.

    Raises:
        NotEnoughClicks: there is nothing, or too little, to learn from yet.
        RoundUnderWay: another process runs one.
        UnknownVersion, UnfitVersion: there is no champion to start from.
        RegistryUnavailable, RegistryRefused: MLflow is away, or says no; the round goes on later.
    """
    with turn(ground.folder):
        return next_round(ground, force=force, on_step=on_step, on_abandoned=on_abandoned)


def next_round(
    ground: TrainingGround,
    *,
    force: bool,
    on_step: Callable[[int, float], None],
    on_abandoned: Callable[[Abandoned], None],
) -> RoundOutcome:
    """As `train_round`, for who holds the turn."""
    abandon_hopeless(ground, on_abandoned)
    folder = unfinished_round(ground.folder) or _start(ground, force=force)
    try:
        return _run(ground, folder, on_step)
    except _OF_OTHERS:
        raise
    except Exception as error:
        abandoned = count_failure(ground.registry, folder, error)
        if abandoned is not None:
            on_abandoned(abandoned)
        raise


def _run(
    ground: TrainingGround, folder: Path, on_step: Callable[[int, float], None]
) -> RoundOutcome:
    started = time.monotonic()
    plan = RoundPlan.model_validate_json((folder / PLAN).read_text())
    record_start(ground.registry, plan)
    clicks = _training_clicks(ground, plan.clicks)
    result = _learn(ground, plan, clicks, folder, on_step)
    champion, challenger = _trials(ground, plan, clicks, folder.name, result)
    against = objections(champion.figures, challenger.figures, ground.gate)
    version = record_round(
        ground.registry, plan, result, champion, challenger, against, model_config(ground.drawing)
    )
    if not against:
        ground.registry.set_challenger(version.number)
    outcome = RoundOutcome(
        number=plan.number,
        version=version.number,
        parent=plan.parent,
        train_clicks=len(plan.clicks.train),
        heldout_clicks=len(plan.clicks.heldout),
        heldout_before=result.heldout_before,
        heldout_after=result.heldout_after,
        trend_items=result.trend_items,
        beyond_share=sum(plan.clicks.beyond_share.values()),
        unshown=plan.clicks.unshown,
        objections=against,
        losses=tuple(result.losses),
        until=plan.until,
        seconds=time.monotonic() - started,
    )
    write(folder / OUTCOME, outcome)
    ground.generator.drop_adapter(folder.name)
    return outcome


def _start(ground: TrainingGround, *, force: bool) -> Path:
    rounds, earlier = ground.rounds, outcomes(ground.folder)
    until = datetime.now(UTC)
    events = ground.usable_events(until)
    clicks = choose_clicks(
        events,
        rounds,
        since=earlier[-1].until if earlier else None,
        until=until,
        force=force,
    )
    _tell_what_is_left_out(clicks)
    number = next_number(ground.folder)
    parent = ground.registry.champion()
    load_version(ground.generator, ground.registry, parent)  # what cannot be used is told now
    run_id = ground.registry.runs.start(
        f"round {number}",
        params=ground.fine_tune.model_dump() | rounds.model_dump(),
        tags={"kind": "round", "round": str(number), "parent": str(parent.number)},
    )
    folder = round_folder(ground.folder, number)
    folder.mkdir(parents=True, exist_ok=True)
    plan = RoundPlan(
        number=number,
        run_id=run_id,
        parent=parent.number,
        until=until,
        base=ground.generator.base_name,
        offsets=offsets_of(events),
        clicks=clicks,
    )
    write(folder / PLAN, plan)
    return folder


def _tell_what_is_left_out(clicks: RoundClicks) -> None:
    """How many clicks; whose they are stands in the plan, since logs go far."""
    if clicks.beyond_share:
        _log.warning(
            "%d clicks of %d shoppers are left out: these have more than rounds.max_user_share",
            sum(clicks.beyond_share.values()),
            len(clicks.beyond_share),
        )
    if clicks.unshown:
        _log.warning("%d clicks on ads that their shopper was not shown", clicks.unshown)


def _learn(
    ground: TrainingGround,
    plan: RoundPlan,
    clicks: TrainingClicks,
    folder: Path,
    on_step: Callable[[int, float], None],
) -> FineTuneResult:
    generator = ground.generator
    parent = load_version(generator, ground.registry, ground.registry.version(plan.parent))
    return fine_tune(
        generator,
        clicks,
        settings=ground.fine_tune,
        out=folder,
        parent=parent,
        on_step=on_step,
    )


def _trials(
    ground: TrainingGround,
    plan: RoundPlan,
    clicks: TrainingClicks,
    adapter: str,
    result: FineTuneResult,
) -> tuple[Trial, Trial]:
    """Champion and challenger on the held-out clicks."""
    generator = ground.generator
    parent = load_version(generator, ground.registry, ground.registry.version(plan.parent))
    sides = ((parent, result.heldout_before), (adapter, result.heldout_after))
    champion, challenger = (
        try_out(
            generator,
            name,
            clicks.heldout,
            loss,
            sampling=Sampling.of(ground.drawing),
            ads=ground.gate.ads,
        )
        for name, loss in sides
    )
    return champion, challenger


def _training_clicks(ground: TrainingGround, clicks: RoundClicks) -> TrainingClicks:
    trends = ClickTrends(
        [*clicks.replay, *clicks.train], ground.past_ads, ground.rounds.max_user_share
    )

    def made(shown: Sequence[ShownAd]) -> list[Example | None]:
        return examples(
            shown,
            ground.features,
            ground.past_ads,
            history_items=ground.drawing.history_items,
            coarse=ground.drawing.coarse,
            titles=ground.titles,
            constrained=ground.drawing.constrain_titles,
        )

    def lessons(shown: Sequence[ShownAd]) -> list[Example | None]:
        return [
            example and _on_trend(example, ad, trends)
            for example, ad in zip(made(shown), shown, strict=True)
        ]

    trained_on = dict(zip(clicks.train, lessons(clicks.train), strict=True))
    unclicked = lessons([left for _, left in clicks.pairs])
    return TrainingClicks(
        clicked=[e for e in trained_on.values() if e],
        pairs=[
            PreferencePair(clicked, left)
            for (click, _), left in zip(clicks.pairs, unclicked, strict=True)
            if (clicked := trained_on[click]) and left
        ],
        replay=[e for e in lessons(clicks.replay) if e],
        # These meet what an adapter knows of trends, as ads to come will.
        heldout=[e for e in made(clicks.heldout) if e],
        trends=trends.now(),
    )


def _on_trend(example: Example, ad: ShownAd, trends: ClickTrends) -> Example:
    """The example with the trend of its category as it stood when the ad was shown."""
    trend = trends.before(example.brief.category, ad.shown_at, besides=ad.ad_id)
    return replace(example, brief=replace(example.brief, trend=trend))
