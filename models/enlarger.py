"""A small network that shows decoded pictures larger than they were decoded, with sharp edges.

Convolutions at the decoded size, and sub-pixel convolutions up from it (arXiv 1609.05158): what a
bicubic enlargement leaves soft is added to it (as in VDSR, arXiv 1511.04587).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.janus.modeling_janus import JanusVQVAE

_CHANNELS, _LATER_CHANNELS = 24, 12
_BLOCKS = 2


class Enlarger(nn.Module):
    """Pictures of any size to ``times`` as many pixels a side, 2 or 4; untrained it is bicubic.

    It reads what the decoder made the pixels of, its ``channels`` before the last convolution:
    they say more of what is there than the colours do.
    """

    def __init__(self, times: int, channels: int) -> None:
        super().__init__()
        self.times = times
        self.first = nn.Conv2d(channels, _CHANNELS, 1)
        self.blocks = nn.ModuleList(_Block() for _ in range(_BLOCKS))
        doublings: list[nn.Module] = []
        inputs = _CHANNELS
        for _ in range(times.bit_length() - 2):
            larger = nn.Conv2d(inputs, 4 * _LATER_CHANNELS, 3, padding=1)
            doublings += [larger, nn.PixelShuffle(2), nn.SiLU()]
            inputs = _LATER_CHANNELS
        self.doublings = nn.Sequential(*doublings)
        self.last = nn.Conv2d(inputs, 4 * 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)
        self.bicubic = _Bicubic(times)

    def forward(self, features: Tensor, pixels: Tensor) -> Tensor:
        """``(n, channels, h, w)`` and ``(n, 3, h, w)`` to ``(n, 3, times * h, times * w)``.

        Pixels are in about -1..1, and :func:`adloom.models.codebook.features_and_pixels` has both.
        """
        hidden = F.silu(self.first(features))
        for block in self.blocks:
            hidden = block(hidden)
        added: Tensor = F.pixel_shuffle(self.last(self.doublings(hidden)), 2)
        return added.add_(self.bicubic(pixels))


def enlarger_of(vq: JanusVQVAE, times: int) -> Enlarger | None:
    """A new one for what its decoder makes; none where pictures are shown as they are decoded."""
    channels = vq.decoder.conv_out.in_channels
    return Enlarger(times, channels) if times > 1 else None


class _Bicubic(nn.Module):
    """What :func:`torch.nn.functional.interpolate` makes, as one convolution: a tenth of its time
    on a CPU."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        # Of 5 pixels in a row, how much each is of those that the middle one becomes.
        each = F.interpolate(
            torch.eye(5)[:, None, :, None].expand(-1, -1, -1, 5),
            scale_factor=times,
            mode="bicubic",
            align_corners=False,
        )[:, 0, 2 * times : 3 * times, 2 * times]
        taps = torch.einsum("iy,jx->yxij", each, each).reshape(times * times, 1, 5, 5)
        self.taps: Tensor
        self.register_buffer("taps", taps.repeat(3, 1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """``(n, 3, h, w)`` to ``(n, 3, times * h, times * w)``."""
        around = F.pad(pixels, (2, 2, 2, 2), mode="replicate")
        return F.pixel_shuffle(F.conv2d(around, self.taps, groups=3), self.times)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        found: Tensor = hidden + self.inner(hidden)
        return found
