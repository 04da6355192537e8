"""Shoppers out of the rounds: plans without them, and nothing left of what was begun on them.

Versions stay: their weights are of many shoppers. Which ones learned from a shopper is told.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from adloom.loop.learning.registry import AdRegistry
from adloom.loop.learning.rounds.giving_up import give_up
from adloom.loop.learning.rounds.kept import (
    ABANDONED,
    OUTCOME,
    PLAN,
    RoundHead,
    RoundOutcome,
    head,
    read,
    write,
)
from adloom.loop.learning.rounds.plan import RoundClicks, RoundPlan
from adloom.loop.learning.training_set import ShownAd

_log = logging.getLogger(__name__)

_FOLDER = re.compile(r"round-(\d{4,9})(\.before)?")
_SHOW_ADS = ("evaluation.json", "samples.png")
"""Files of a round's run that show the ads it was judged by."""
_KEPT = (PLAN, OUTCOME, ABANDONED, "failures.json")
_WHY = "a shopper whose clicks it was to learn from is forgotten"


@dataclass(frozen=True)
class Shares:
    """What rounds had of one shopper.

    Attributes:
        rounds: their numbers.
        versions: that learned from clicks of the shopper.
    """

    rounds: set[int] = field(default_factory=set)
    versions: set[int] = field(default_factory=set)


@dataclass
class Erased:
    """What went with the shoppers: rounds that are given up, files of runs in MLflow."""

    given_up: list[int] = field(default_factory=list)
    evaluations: int = 0


def shares_of(folder: Path, users: Collection[str]) -> dict[str, Shares]:
    """What the rounds under a folder have of each of these shoppers."""
    shares = {user: Shares() for user in users}
    for number, kept in _naming(folder, users):
        told, plan = (kept / PLAN).read_bytes(), read(kept / PLAN, RoundPlan)
        outcome = read(kept / OUTCOME, RoundOutcome)
        learned = set() if plan is None else {ad.user_id for ad in _learned(plan.clicks)}
        for user, share in shares.items():
            if to_json(user) in told:
                share.rounds.add(number)
            if outcome is not None and user in learned:
                share.versions.add(outcome.version)
    return shares


def erase_from_rounds(folder: Path, users: Collection[str], registry: AdRegistry) -> Erased:
    """Takes shoppers out of the rounds under a folder; for who holds the turn.

    A round that was cut off is given up, since its checkpoints learned from them: its other clicks
    go to the next. Raises RegistryUnavailable, RegistryRefused.
    """
    erased, gone = Erased(), set(users)
    for number, kept in _naming(folder, users):
        plan = read(kept / PLAN, RoundPlan)
        if plan is not None:
            if any(ad.user_id in gone for ad in (*plan.clicks.judge, *plan.clicks.left)):
                erased.evaluations += registry.runs.remove_files(plan.run_id, _SHOW_ADS)
            if not _is_over(kept):
                give_up(registry, kept, _WHY)
                erased.given_up.append(number)
        _remove_what_learned(kept)
        _write_without(kept, plan, gone)  # last: by it the round is found again
    return erased


def shorten_plans(folder: Path, before: datetime) -> int:
    """Of rounds that were over before a moment the plan keeps no clicks; for who holds the turn.

    How many plans that were.
    """
    shortened = 0
    for kept in sorted(folder.iterdir()):
        known = head(kept) if _FOLDER.fullmatch(kept.name) else None
        if known is None or known.until >= before or not _is_over(kept):
            continue
        _remove_what_learned(kept)
        if (kept / PLAN).read_bytes() != _as_written(known):
            write(kept / PLAN, known)
            shortened += 1
    return shortened


def _as_written(plan: RoundHead) -> bytes:
    return plan.model_dump_json(indent=2).encode()


def _is_over(kept: Path) -> bool:
    return bool(kept.suffix) or (kept / OUTCOME).exists() or (kept / ABANDONED).exists()


def _naming(folder: Path, users: Collection[str]) -> Iterator[tuple[int, Path]]:
    """Rounds whose plan has one of these shoppers."""
    told = [to_json(user) for user in users]
    for kept in sorted(folder.iterdir()) if folder.is_dir() else ():
        found = _FOLDER.fullmatch(kept.name)
        plan = kept / PLAN
        if found and plan.exists() and any(user in plan.read_bytes() for user in told):
            yield int(found[1]), kept


def _remove_what_learned(kept: Path) -> None:
    for path in kept.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in _KEPT:
            path.unlink()


def _write_without(kept: Path, plan: RoundPlan | None, gone: Collection[str]) -> None:
    if plan is not None:
        write(kept / PLAN, plan.model_copy(update={"clicks": _without(plan.clicks, gone)}))
    elif (known := head(kept)) is not None:
        write(kept / PLAN, known)
    else:
        (kept / PLAN).unlink()
        _log.warning("%s could not be read and named a shopper: it is removed", kept / PLAN)


def _without(clicks: RoundClicks, gone: Collection[str]) -> RoundClicks:
    changed: dict[str, Any] = {
        name: tuple(ad for ad in getattr(clicks, name) if ad.user_id not in gone)
        for name in ("train", "replay", "choose", "judge", "left", "late")
    }
    changed["pairs"] = tuple(
        pair for pair in clicks.pairs if not any(ad.user_id in gone for ad in pair)
    )
    changed["beyond_share"] = _others(clicks.beyond_share, gone)
    return clicks.model_copy(update=changed)


def _others(counts: Mapping[str, int], gone: Collection[str]) -> dict[str, int]:
    return {user: count for user, count in counts.items() if user not in gone}


def _learned(clicks: RoundClicks) -> Iterator[ShownAd]:
    """What changes weights, or chooses which are taken."""
    yield from (*clicks.train, *clicks.replay, *clicks.choose)
    for pair in clicks.pairs:
        yield from pair
