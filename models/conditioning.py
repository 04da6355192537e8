"""The modules around Janus: what shoppers like, what the product looks like, how strong both
guide."""

from __future__ import annotations

from torch import nn

from adloom.models.config import AdGeneratorConfig
from adloom.models.foreground import ForegroundEncoder, ForegroundProjection
from adloom.models.guidance import LearntGuidance
from adloom.models.preference import PreferenceEncoder

CONDITIONING_FILE = "conditioning.safetensors"
STAYS = "conditioning.guidance."
"""Begins the names, in a model, of weights that neither rounds nor a base's training change."""


class Conditioning(nn.Module):
    """The modules that are trained whole: preference and foreground; and guidance, which stays.

    They have the dtype of the base, but for those that are trained. These are float32: in bfloat16
    the small steps of a fine-tuning round would be lost in rounding.
    """

    def __init__(
        self,
        width: int,
        config: AdGeneratorConfig,
        foreground_features: int | None = None,
        foreground_mlps: int = 1,
    ) -> None:
        super().__init__()
        self.preference = PreferenceEncoder(width, config)
        self.foreground: ForegroundEncoder | ForegroundProjection
        dropout, mlps = config.foreground_dropout, foreground_mlps
        if foreground_features is None:
            self.foreground = ForegroundEncoder(width, config.grid, dropout, mlps)
        else:
            self.foreground = ForegroundProjection(foreground_features, width, dropout, mlps)
        self.guidance = LearntGuidance(width) if config.guidance == "learnt" else None
