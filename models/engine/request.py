"""What the engine is asked for and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from adloom.models.brief import AdBrief
from adloom.models.engine.lora import Adapter
from adloom.models.sampling import Sampling


@dataclass(frozen=True)
class Wanted:
    """Ads for one brief, one a seed; brief and history are encoded once for all of them.

    The bare base is an adapter without LoRA. With ``title_only`` no picture is drawn.

    Raises:
        ValueError: a seed is negative.
    """

    brief: AdBrief
    seeds: tuple[int, ...]
    sampling: Sampling
    adapter: Adapter
    title_only: bool = False

    def __post_init__(self) -> None:
        if any(seed < 0 for seed in self.seeds):
            raise ValueError(f"seeds are not negative, got {min(self.seeds)}")


@dataclass(frozen=True)
class Drawn:
    """One drawn ad: ``title`` ids without eos, ``codes`` int64 ``(image tokens,)`` on the CPU.

    ``cut`` is true where the title was ended for want of room; without a picture ``codes`` is
    empty. ``steps`` is how many of the engine it took: fewer, the more tokens were guessed right.
    ``picture`` (RGB) is there where the codes were decoded already, beside the weights.
    """

    title: tuple[int, ...]
    codes: Tensor
    cut: bool = False
    steps: int = 0
    picture: Image.Image | None = None
