"""What a look at a part found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["well", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        part: such as "broker".
        looked_at: what was seen of it.
        state: well; note, where somebody should see to something; wrong, where it does not work.
        told: what is the matter and what to do; empty where all is well.
    """

    part: str
    looked_at: str
    state: State = "well"
    told: str = ""


@dataclass(frozen=True)
class Check:
    """A look at one part, which changes nothing there.

    Attributes:
        part: what its findings are about; some have more of them, under names of their own.
        where: what is asked, for the line of a part that never answers.
        settings: the names of what to mend then.
        look: the findings, as they come. It may raise what `adloom.loop.doctor.examine` tells.
    """

    part: str
    where: str
    settings: str
    look: Callable[[], Iterator[Finding]]


def judged(part: str, looked_at: str, wrong: list[str], notes: list[str]) -> Finding:
    """A finding of all that is the matter with a part: the worst comes first."""
    state: State = "wrong" if wrong else "note" if notes else "well"
    return Finding(part, looked_at, state, "; ".join([*wrong, *notes]))
