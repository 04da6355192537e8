"""How a server is, in three words: ready, degraded, not ready; and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ready", "degraded", "not ready"]

_NEEDED = frozenset({"drawing", "database"})
"""Parts without which no ad is drawn."""


@dataclass(frozen=True)
class Readiness:
    """What `/readyz` says.

    Attributes:
        version: the champion that serves; None before one was checked.
        problems: what is wrong, by part.
        notes: what someone should see to, though nothing is wrong.
    """

    version: int | None
    problems: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def draws(self) -> bool:
        """Whether ads go out, perhaps without a history."""
        return self.version is not None and not _NEEDED & self.problems.keys()

    @property
    def status(self) -> Status:
        """Degraded: ads go out, and yet something is away, damaged or not followed."""
        if not self.draws:
            return "not ready"
        return "degraded" if self.problems else "ready"

    def told(self) -> dict[str, Any]:
        """As JSON; what there is nothing to say of is left out."""
        told: dict[str, Any] = {
            "status": self.status,
            "version": None if self.version is None else str(self.version),
            "problems": dict(self.problems),
            "problem": "; ".join(f"{part}: {why}" for part, why in self.problems.items()),
            "notes": list(self.notes),
        }
        return {key: value for key, value in told.items() if value}
