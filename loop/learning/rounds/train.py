"""One round of learning: new clicks in, a registered version out, and a gate in between.

A round keeps its plan, its checkpoints and its outcome in a folder of its own, so that the
same command run again after a kill goes on where the round stood and registers one version.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from adloom.feature_store.backend import FeaturesLost, StoreUnavailable, StoreUnfit
from adloom.loop.database.health import DatabaseUnusable
from adloom.loop.learning.clicks_of import clicks_of
from adloom.loop.learning.gate import judged, objections
from adloom.loop.learning.lineage import base_tags
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
from adloom.loop.learning.rounds.learning_task import LearningTask
from adloom.loop.learning.rounds.lessons import Lessons
from adloom.loop.learning.rounds.parts import OnPart, Parts
from adloom.loop.learning.rounds.plan import RoundClicks, RoundPlan, choose_clicks, offsets_of
from adloom.loop.learning.rounds.record import record_round, record_start
from adloom.loop.learning.rounds.shared import HeldRounds
from adloom.loop.learning.rounds.tidying import clear_rounds, tidy
from adloom.loop.learning.rounds.turn import TurnLost, turn
from adloom.loop.learning.trial import JudgedAds, Trial, try_out
from adloom.loop.learning.versions import load_version
from adloom.models.training.click_lessons import TrainingClicks
from adloom.models.training.data_parallel import WorkerLost
from adloom.models.training.fine_tune import FineTuneResult

_log = logging.getLogger(__name__)

# These say nothing of the round: it goes on once they are mended.
_OF_OTHERS = (
    RegistryUnavailable,
    RegistryRefused,
    StoreUnavailable,
    StoreUnfit,
    FeaturesLost,
    DatabaseError,
    DatabaseUnusable,
    TurnLost,
    OSError,
    MemoryError,
    WorkerLost,
)


def train_round(
    ground: TrainingGround,
    *,
    force: bool = False,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
    on_abandoned: Callable[[Abandoned], None] = lambda abandoned: None,
    on_part: OnPart = lambda part: None,
) -> RoundOutcome:
    """Run the next round, or go on with one that was cut off.

    The new version becomes ``@challenger`` when it passes the gate (`adloom.loop.learning.gate`).
    A round that was cut off and can never end is abandoned first.

    Args:
        ground: stores, registry and generator.
        force: run even with fewer new clicks than ``rounds.min_clicks``.
        on_step: called with each step (from 1) and its loss.
        on_abandoned: called with each round that was given up.
        on_part: called with the words for each part of it, as it begins.

    Raises:
        NotEnoughClicks: there is nothing, or too little, to learn from yet.
        RoundUnderWay: another process runs one, here or on another machine.
        TurnLost: the database heard nothing of this process for too long.
        UnknownVersion, UnfitVersion: there is no champion to start from, or it is of another base.
        RegistryUnavailable, RegistryRefused: MLflow is away, or says no; the round goes on later.
        WorkerLost: one of the processes that learn has ended; the round goes on later.
    """
    with turn(ground.folder, ground.database) as still_ours, ground.shared.held(still_ours) as kept:
        return next_round(
            ground,
            force=force,
            on_step=on_step,
            on_abandoned=on_abandoned,
            still_ours=still_ours,
            kept=kept,
            on_part=on_part,
        )


def next_round(
    ground: TrainingGround,
    *,
    force: bool,
    on_step: Callable[[int, float], None],
    on_abandoned: Callable[[Abandoned], None],
    still_ours: Callable[[], None],
    kept: HeldRounds,
    on_part: OnPart = lambda part: None,
) -> RoundOutcome:
    """As `train_round`, for who holds the turn; ``still_ours`` raises once it is lost."""
    abandon_hopeless(ground, on_abandoned)
    clear_rounds(ground.folder)
    folder = unfinished_round(ground.folder) or _start(ground, force=force)
    kept.keep()  # from here on another machine can go on with it
    try:
        return _run(ground, folder, on_step, still_ours, kept, Parts(on_part))
    except _OF_OTHERS:
        raise
    except Exception as error:
        abandoned = count_failure(ground.registry, folder, error)
        if abandoned is not None:
            on_abandoned(abandoned)
        raise


def _run(
    ground: TrainingGround,
    folder: Path,
    on_step: Callable[[int, float], None],
    still_ours: Callable[[], None],
    kept: HeldRounds,
    parts: Parts,
) -> RoundOutcome:
    def stepped(step: int, loss: float) -> None:
        still_ours()
        if (step - 1) % ground.fine_tune.checkpoint_every == 0:  # there may be one of before it
            kept.look()
        on_step(step, loss)

    started = time.monotonic()
    plan = RoundPlan.model_validate_json((folder / PLAN).read_text())
    parts.begin("telling MLflow of the clicks")
    record_start(ground.registry, plan)
    parts.begin("reading the clicks")
    lessons = Lessons(ground, plan.clicks)
    clicks = lessons.training()
    parts.begin("learning")
    result = _learn(ground, plan, clicks, folder, stepped)
    parts.begin("reading the clicks to judge by")
    ads = lessons.judged()
    parts.begin("judging")
    champion, challenger = _trials(ground, plan, ads, folder.name)
    verdict = judged(ads, champion, challenger, ground.gate)
    parts.begin("registering the version")
    still_ours()  # or another registers it as well
    version = record_round(
        ground.registry,
        plan,
        result,
        ads,
        champion,
        challenger,
        verdict,
        model_config(ground.drawing),
        base_tags(ground.generator, ground.drawing.path),
    )
    if verdict.answer == "better":
        ground.registry.set_challenger(version.number)
    elif verdict.answer == "cannot_tell" and ground.gate.undecided == "test":
        ground.registry.set_undecided(version.number)
    parts.end()
    outcome = RoundOutcome(
        number=plan.number,
        version=version.number,
        parent=plan.parent,
        train_clicks=len(plan.clicks.train),
        heldout_clicks=len(plan.clicks.heldout),
        heldout_before=champion.figures.heldout_loss,
        heldout_after=challenger.figures.heldout_loss,
        trend_items=result.trend_items,
        beyond_share=sum(plan.clicks.beyond_share.values()),
        unshown=plan.clicks.unshown,
        objections=objections(verdict),
        judgement=verdict,
        losses=tuple(result.losses),
        until=plan.until,
        seconds=time.monotonic() - started,
        seconds_by_part=parts.seconds,
    )
    write(folder / OUTCOME, outcome)
    ground.generator.drop_adapter(folder.name)
    tidy(ground)
    return outcome


def _start(ground: TrainingGround, *, force: bool) -> Path:
    rounds, earlier = ground.rounds, outcomes(ground.folder)
    until = datetime.now(UTC)
    events = ground.events(until)
    if ads := events.of_other_bases:
        _log.warning("%d ads are left out: other bases drew them, in codes of their own", ads)
    clicks = choose_clicks(
        events.rows,
        rounds,
        since=earlier[-1].until if earlier else None,
        until=until,
        read_since=events.since,
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
        offsets=offsets_of(events.rows),
        clicks=clicks,
    )
    write(folder / PLAN, plan)
    return folder


def _tell_what_is_left_out(clicks: RoundClicks) -> None:
    """How many clicks; whose they are stands in the plan, since logs go far."""
    if clicks.beyond_share:
        _log.warning(
            "%s left out, beyond what rounds.max_user_share lets one have",
            clicks_of(sum(clicks.beyond_share.values()), len(clicks.beyond_share)),
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
    generator, version = ground.generator, ground.registry.version(plan.parent)
    task = LearningTask(
        base=generator.base_name,
        parent=load_version(generator, ground.registry, version),
        adapter=ground.registry.adapter(version),
        clicks=clicks,
        settings=ground.fine_tune,
        out=folder.absolute(),
    )
    return ground.learners.learn(generator, task, on_step)


def _trials(
    ground: TrainingGround, plan: RoundPlan, ads: JudgedAds, adapter: str
) -> tuple[Trial, Trial]:
    """Champion and challenger on the same ads."""
    generator = ground.generator
    parent = load_version(generator, ground.registry, ground.registry.version(plan.parent))
    champion, challenger = try_out(
        generator,
        [parent, adapter],
        ads,
        sampling=generator.sampling(ground.drawing),
        ads=ground.gate.ads,
        batch_size=ground.fine_tune.batch_size,
    )
    return champion, challenger
