"""Rounds that can never end: found when they are met, abandoned, and their MLflow runs ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from adloom.loop.learning.kept_adapters import UnfitVersion
from adloom.loop.learning.lineage import refuse_other_base
from adloom.loop.learning.registry import AdRegistry, UnknownVersion
from adloom.loop.learning.rounds.giving_up import give_up
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.kept import (
    FAILURES,
    PLAN,
    Abandoned,
    read,
    unfinished_round,
    write,
)
from adloom.loop.learning.rounds.plan import RoundPlan
from adloom.loop.learning.versions import load_version

_MOSTFAILURES = 3


class _Failures(BaseModel):
    count: int = 0


def why_hopeless(ground: TrainingGround, kept: Path) -> str | None:
    """Why a round that was cut off can never end; None where it can.

    Raises:
        RegistryUnavailable, RegistryRefused: this cannot be told now.
    """
    plan = read(kept / PLAN, RoundPlan)
    if plan is None:
        return f"its plan cannot be read ({kept / PLAN})"
    if plan.base not in (None, ground.generator.base_name):
        return "it was begun on another base model (generator.path)"
    try:
        load_version(ground.generator, ground.registry, ground.registry.version(plan.parent))
    except UnknownVersion:
        return f"the version it starts from, {plan.parent}, is deleted"
    except UnfitVersion as error:
        return f"the version it starts from cannot be used: {error}"
    if not ground.registry.runs.is_there(plan.run_id):
        return f"its MLflow run {plan.run_id} is deleted"
    return None


def count_failure(registry: AdRegistry, kept: Path, error: Exception) -> Abandoned | None:
    """Note that a round failed for a reason nobody foresaw; the third time it is abandoned."""
    count = (read(kept / FAILURES, _Failures) or _Failures()).count + 1
    write(kept / FAILURES, _Failures(count=count))
    if count < _MOSTFAILURES:
        return None
    told = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return give_up(registry, kept, f"it failed {count} times, at last by {told}")


def abandon_hopeless(ground: TrainingGround, tell: Callable[[Abandoned], None]) -> None:
    """Abandon the rounds that were cut off and can never end.

    Raises:
        OtherBase: nothing can be learnt on this base, and no round is to blame.
        RegistryUnavailable, RegistryRefused: this cannot be told now.
    """
    refuse_other_base(ground.registry, ground.generator, ground.drawing.path)
    while (kept := unfinished_round(ground.folder)) is not None:
        reason = why_hopeless(ground, kept)
        if reason is None:
            return
        tell(give_up(ground.registry, kept, reason))
