"""How the learning rate goes over a training."""

from __future__ import annotations

import math


def rate_share(step: int, steps: int, warm_up: int = 60, *, least: float = 0.05) -> float:
    """Share of the full rate at ``step`` of ``steps``: a warm-up, then a cosine to ``least``."""
    warm = min(1.0, step / warm_up) if warm_up else 1.0
    return warm * (least + (1 - least) * 0.5 * (1 + math.cos(math.pi * step / steps)))
