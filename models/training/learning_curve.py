"""How a fine-tune goes: the loss of each step and the held-out loss after some of them."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel


class LearningCurve(BaseModel):
    """Losses of steps (from 1), and pairs of a step and the held-out loss after it."""

    losses: list[float] = []
    heldout: list[tuple[int, float]] = []

    @classmethod
    def read(cls, path: Path, step: int) -> LearningCurve:
        """The curve up to ``step``."""
        if step == 0:
            return cls()
        whole = cls.model_validate_json(path.read_text())
        return cls(
            losses=whole.losses[:step],
            heldout=[point for point in whole.heldout if point[0] <= step],
        )

    def write(self, path: Path) -> None:
        """Write in one atomic move; before the state, so never fewer than its steps."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(self.model_dump_json())
        partial.replace(path)

    @property
    def best_step(self) -> int:
        """The step of the least held-out loss; 0 where none was looked at."""
        return min(self.heldout, key=lambda point: point[1])[0] if self.heldout else 0

    def looks_since_best(self) -> int:
        """How many looks in a row found nothing better."""
        return sum(step > self.best_step for step, _ in self.heldout)
