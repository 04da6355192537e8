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

from pydantic import BaseModel, ConfigDict, computed_field

from adloom.loop.learning.click_trends import ClickTrends
from adloom.loop.learning.gate import Trial, objections, try_out
from adloom.loop.learning.model_config import model_config
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.plan import RoundClicks, RoundPlan, choose_clicks, offsets_of
from adloom.loop.learning.rounds.record import record_round
from adloom.loop.learning.training_set import ShownAd, examples
from adloom.loop.learning.versions import load_version
from adloom.models.brief import Example
from adloom.models.sampling import Sampling
from adloom.models.training.fine_tune import FineTuneResult, TrainingClicks, fine_tune
from adloom.models.training.preference_loss import PreferencePair

_log = logging.getLogger(__name__)

_PLAN, _OUTCOME = "plan.json", "outcome.json"


class RoundOutcome(BaseModel):
    """What a round did.

    Losses are cross-entropies on held-out clicks, nats a token; ``trend_items`` is how many ads of
    a category's trend the version reads; ``objections`` is what the gate had against it.
    ``beyond_share`` and ``unshown`` are clicks that were left out (`RoundClicks`).
    """

    model_config = ConfigDict(frozen=True)

    number: int
    version: int
    parent: int
    train_clicks: int
    heldout_clicks: int
    heldout_before: float
    heldout_after: float
    trend_items: int = 0
    beyond_share: int = 0
    unshown: int = 0
    objections: tuple[str, ...]
    losses: tuple[float, ...]
    until: datetime
    seconds: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed(self) -> bool:
        """Whether the gate had nothing against the new version."""
        return not self.objections


def train_round(
    ground: TrainingGround,
    *,
    force: bool = False,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> RoundOutcome:
    """Run the next round, or go on with one that was cut off.

    The new version becomes ``@challenger`` when it passes the gate (`adloom.loop.learning.gate`).

    Args:
        ground: stores, registry and generator.
        force: run even with fewer new clicks than ``rounds.min_clicks``.
        on_step: called with each step (from 1) and its loss.

    Raises:
        NotEnoughClicks: there is nothing, or too little, to learn from yet.
    """
    started = time.monotonic()
    folder = unfinished_round(ground.folder)
    if folder is None:
        folder = _start(ground, force=force)
    plan = RoundPlan.model_validate_json((folder / _PLAN).read_text())
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
    _write(folder / _OUTCOME, outcome)
    ground.generator.drop_adapter(folder.name)
    return outcome


def unfinished_round(folder: Path) -> Path | None:
    """The folder of a round that was planned but has no outcome yet."""
    for planned in sorted(folder.glob(f"round-*/{_PLAN}")):
        if not (planned.parent / _OUTCOME).exists():
            return planned.parent
    return None


def outcomes(folder: Path) -> list[RoundOutcome]:
    """Outcomes of the finished rounds, oldest first."""
    return [
        RoundOutcome.model_validate_json(path.read_text())
        for path in sorted(folder.glob(f"round-*/{_OUTCOME}"))
    ]


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
    number = len(earlier) + 1
    parent = ground.registry.champion()
    run_id = ground.registry.runs.start(
        f"round {number}",
        params=ground.fine_tune.model_dump() | rounds.model_dump(),
        tags={"kind": "round", "round": str(number), "parent": str(parent.number)},
    )
    folder = ground.folder / f"round-{number:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    plan = RoundPlan(
        number=number,
        run_id=run_id,
        parent=parent.number,
        until=until,
        offsets=offsets_of(events),
        clicks=clicks,
    )
    _write(folder / _PLAN, plan)
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


def _write(path: Path, content: BaseModel) -> None:
    """Write so that a kill leaves either no file or a whole one."""
    partial = path.with_suffix(".partial")
    partial.write_text(content.model_dump_json(indent=2))
    partial.replace(path)
