"""Which steps an ad took, and when."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

Step = Literal["wait", "history", "draw", "encode", "store"]
"""In the queue; what the shopper clicked; its tokens; its picture and title; the creative store."""


@dataclass(frozen=True)
class StepTaken:
    """A step of an ad from ``began`` to ``ended``, moments of the monotonic clock in seconds."""

    step: Step
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


def since(step: Step, began: float) -> StepTaken:
    """A step that ends now."""
    return StepTaken(step, began, time.monotonic())
