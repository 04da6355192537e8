"""What is kept of rounds, a folder each: the plan, then the outcome or why there is none.

Enough to list rounds and to end them by hand; nothing of what trains is imported.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, computed_field

from adloom.loop.learning.judgement import GateVerdict

PLAN, OUTCOME, ABANDONED = "plan.json", "outcome.json", "abandoned.json"
FAILURES = "failures.json"
SMALL_FILES = (PLAN, OUTCOME, ABANDONED, FAILURES)
"""What stays of a round once it is over."""
_FOLDER = re.compile(r"round-(\d{4,9})")
_MOST_BYTES = 256 << 20  # a plan names every click

_log = logging.getLogger(__name__)
_Kept = TypeVar("_Kept", bound=BaseModel)


class RoundHead(BaseModel):
    """What every plan begins with: the round's number, MLflow run and the version it starts from.

    ``base`` names the base model by its weights; plans of before have none.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    run_id: str
    parent: int
    until: datetime
    base: str | None = None


class RoundOutcome(BaseModel):
    """What a round did.

    Losses are cross-entropies on the clicks that the gate judged by, nats a token (of earlier
    releases: on all held-out ones); ``trend_items`` is how many ads of a category's trend the
    version reads; ``objections`` is why the gate did not pass it, ``judgement`` all that it found
    (None: it is of an earlier release). ``beyond_share`` and ``unshown`` are clicks that were left
    out (`RoundClicks`). ``seconds`` are those since the round began or went on, ``seconds_by_part``
    by what was done in them.
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
    judgement: GateVerdict | None = None
    losses: tuple[float, ...]
    until: datetime
    seconds: float
    seconds_by_part: dict[str, float] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed(self) -> bool:
        """Whether the gate let the new version through."""
        return not self.objections

    @property
    def undecided(self) -> bool:
        """Whether its clicks could not tell if the new version is better."""
        return self.judgement is not None and self.judgement.answer == "cannot_tell"


class Abandoned(BaseModel):
    """A round that ends without a version, and why."""

    model_config = ConfigDict(frozen=True)

    number: int
    reason: str
    at: datetime


State = Literal["passed", "failed", "undecided", "abandoned", "cut off", "under way", "unreadable"]


class KeptRound(BaseModel):
    """A round as it is listed; what is not known of it is None.

    ``passed``, ``failed`` and ``undecided`` say what the gate found, ``cut off`` that
    `train-round` goes on with it, ``under way`` that one does so now; of an ``unreadable`` one
    the outcome cannot be read.
    """

    model_config = ConfigDict(frozen=True)

    round: int
    state: State
    version: int | None = None
    parent: int | None = None
    train_clicks: int | None = None
    until: datetime | None = None
    run_id: str | None = None
    reason: str | None = None


def round_folder(folder: Path, number: int) -> Path:
    """Where a round is kept, under the folder of all rounds."""
    return folder / f"round-{number:04d}"


def next_number(folder: Path) -> int:
    """Of the round after all that were planned."""
    return max((number for number, _ in planned_rounds(folder)), default=0) + 1


def unfinished_round(folder: Path) -> Path | None:
    """The folder of the first round that was planned and neither finished nor abandoned."""
    return next((kept for _, kept in planned_rounds(folder) if not is_over(kept)), None)


def outcomes(folder: Path) -> list[RoundOutcome]:
    """Outcomes of the finished rounds, oldest first; one that cannot be read is left out."""
    found = (read(kept / OUTCOME, RoundOutcome) for _, kept in planned_rounds(folder))
    return [outcome for outcome in found if outcome is not None]


def kept_rounds(folder: Path, *, under_way: bool = False) -> list[KeptRound]:
    """Every round that was planned, oldest first.

    Args:
        under_way: whether somebody has the turn: the first round that is not over is theirs.
    """
    found = [_told(number, kept) for number, kept in planned_rounds(folder)]
    if under_way:
        for place, one in enumerate(found):
            if one.state == "cut off":
                found[place] = one.model_copy(update={"state": "under way"})
                break
    return found


def abandon(kept: Path, reason: str) -> Abandoned:
    """The round of this folder is over, for this reason."""
    abandoned = Abandoned(number=_number(kept), reason=reason, at=datetime.now(UTC))
    write(kept / ABANDONED, abandoned)
    return abandoned


def head(kept: Path) -> RoundHead | None:
    """What a plan begins with; None where it cannot be read."""
    return read(kept / PLAN, RoundHead)


def read(path: Path, kind: type[_Kept]) -> _Kept | None:
    """A file of a round; None where there is none, or none that can be read."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, ValueError) as error:
        _log.warning("%s cannot be read: %s", path, str(error).splitlines()[0])
        return None


def write(path: Path, content: BaseModel) -> None:
    """Write so that a kill leaves either no file or a whole one."""
    partial = path.with_suffix(".partial")
    partial.write_text(content.model_dump_json(indent=2))
    partial.replace(path)


def _told(number: int, kept: Path) -> KeptRound:
    plan, outcome = head(kept), read(kept / OUTCOME, RoundOutcome)
    abandoned = read(kept / ABANDONED, Abandoned)
    known = {} if plan is None else plan.model_dump(include={"parent", "until", "run_id"})
    if outcome is not None:
        known |= outcome.model_dump(include={"version", "parent", "train_clicks", "until"})
        reason = "; ".join(outcome.objections) or None
        return KeptRound(round=number, state=_found(outcome), reason=reason, **known)
    if abandoned is not None:
        return KeptRound(round=number, state="abandoned", reason=abandoned.reason, **known)
    if is_over(kept):
        return KeptRound(round=number, state="unreadable", **known)
    reason = None if plan is not None else f"{kept / PLAN} cannot be read"
    return KeptRound(round=number, state="cut off", reason=reason, **known)


def _found(outcome: RoundOutcome) -> State:
    if outcome.undecided:
        return "undecided"
    return "passed" if outcome.passed else "failed"


def planned_rounds(folder: Path) -> Iterator[tuple[int, Path]]:
    """Folders with a plan by their numbers, in their order."""
    folders = folder.iterdir() if folder.is_dir() else ()
    numbered = [(_number(kept), kept) for kept in folders if _FOLDER.fullmatch(kept.name)]
    for number, kept in sorted(numbered):
        if any((kept / file).exists() for file in (PLAN, OUTCOME, ABANDONED)):
            yield number, kept


def _number(kept: Path) -> int:
    return int(kept.name.removeprefix("round-"))


def is_over(kept: Path) -> bool:
    """Whether a round has ended, by its folder: with a version, or given up."""
    return (kept / OUTCOME).exists() or (kept / ABANDONED).exists()
