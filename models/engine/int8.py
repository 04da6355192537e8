"""Convolutions in 8 bits, where a processor multiplies them several times as fast (AVX512-VNNI).

Weights are rounded once, by a scale for each output. What comes in is rounded between its own least
and largest value, so that a picture hangs on nothing but itself.

Source: integer arithmetic with scale and zero point, arXiv 1712.05877.
"""

from __future__ import annotations

import statistics
import time
from functools import lru_cache

import torch
from torch import Tensor, nn

_LEVELS = 255
_INPUTS = 32
"""With fewer channels it takes longer to round what comes in than is won."""
_FASTER = 1.2
_SIDE = 96


class Int8Convolution(nn.Module):
    """What a convolution of stride 1 computes, to about two digits; float32 in and out."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.detach().float()
        self._scales = (weight.abs().amax((1, 2, 3)) / 127).clamp_min(1e-12)
        rounded = (weight / self._scales[:, None, None, None]).round().to(torch.int8)
        self._zeros = torch.zeros(len(weight), dtype=torch.long)
        self._bias = None if conv.bias is None else conv.bias.detach().float()
        self._padding = [int(side) for side in conv.padding]
        # Scale and zero point of what comes in are given anew with each call.
        self._packed = torch.ops.onednn.qconv_prepack(
            rounded, self._scales, 1.0, 1, [1, 1], self._padding, [1, 1], 1, None
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """``(n, channels, h, w)``, channels last in memory as what is returned."""
        hidden = hidden.contiguous(memory_format=torch.channels_last)
        least = min(0.0, hidden.amin().item())
        step = max((hidden.amax().item() - least) / _LEVELS, 1e-12)
        zero = round(-least / step)
        rounded = torch.add(hidden.new_tensor(zero + 0.5), hidden, alpha=1 / step).to(torch.uint8)
        found: Tensor = torch.ops.onednn.qconv_pointwise(
            rounded,
            step,
            zero,
            self._packed,
            self._scales,
            self._zeros,
            self._bias,
            [1, 1],
            self._padding,
            [1, 1],
            1,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return found


def in_int8(module: nn.Module) -> None:
    """Exchange the convolutions inside ``module`` that gain by it."""
    for name, part in module.named_children():
        if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1):
            if part.in_channels >= _INPUTS:
                setattr(module, name, Int8Convolution(part))
        else:
            in_int8(part)


@lru_cache(1)
def int8_pays() -> bool:
    """Whether this machine is faster so: a convolution of the bundled decoder, both ways."""
    if not (torch.cpu._is_vnni_supported() and torch.backends.mkldnn.is_available()):
        return False
    with torch.inference_mode():
        conv = nn.Conv2d(64, 64, 3, padding=1)
        hidden = torch.randn(1, 64, _SIDE, _SIDE).contiguous(memory_format=torch.channels_last)
        return _seconds(conv, hidden) > _FASTER * _seconds(Int8Convolution(conv), hidden)


def _seconds(module: nn.Module, hidden: Tensor) -> float:
    module(hidden)
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        module(hidden)
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)
