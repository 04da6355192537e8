"""Image tokens to a picture by a copy of Janus' VQ decoder that does the same in less time.

Lookup and the convolution after it are one table. To repeat each pixel and then convolve is to
convolve once for each of the four places that a pixel becomes: where the taps of a kernel fall on
the same pixel, their weights are added, and 4 products are left of 9 (as in sub-pixel
convolution, arXiv 1609.05158). On a processor that is faster so, they are products of 8 bits.
"""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adloom.models.engine.int8 import in_int8, int8_pays
from adloom.models.generator import AdModel

_CHANNELS_LAST_FROM = 32
"""Pixels a side; on smaller maps torch norms channels-last ones slowly."""
_LARGE = 64
"""Pixels a side, from which on 8 bits are worth their rounding."""
_CLOSE = 1e-4
"""Mean square, of pixels in -1..1, by which a picture in 8 bits may be off: half a level of 256."""
_log = logging.getLogger("adloom.drawing")


class PictureDecoder:
    """Decodes pictures one at a time, so that each is the same to a bit whatever else is drawn."""

    def __init__(self, model: AdModel, dtype: torch.dtype, *, int8: bool = False) -> None:
        """Copy what decodes, and what enlarges; ``dtype`` is what it computes in.

        With ``int8`` float32 becomes 8 bits where this machine is faster so, if a picture then
        comes out the same but for what nobody sees.
        """
        vq = model.janus.model.vqmodel
        parts: Any = copy.deepcopy(vq).eval()  # what nn.Module gives by name has no type
        decoder = parts.decoder
        self._side: int = parts.quantize.quant_state_dims[0]
        with torch.no_grad():
            entries = F.normalize(parts.quantize.embedding.weight, dim=-1)
            looked_up = parts.post_quant_conv(entries[:, :, None, None])
            self._table = looked_up[:, :, 0, 0].to(dtype)
            middle = (_Residual(decoder.mid.block_1), decoder.mid.attn_1)
            first = nn.Sequential(decoder.conv_in, *middle, _Residual(decoder.mid.block_2))
            last = nn.Sequential(decoder.norm_out, nn.SiLU())
            levels = [_level(level) for level in decoder.up]
        self._stages = nn.ModuleList([first, *levels, last]).to(dtype)
        self._pixels: nn.Module = decoder.conv_out.to(dtype)
        enlarger = copy.deepcopy(model.enlarger)
        self._enlarger = None if enlarger is None else enlarger.eval().to(dtype)
        device, size = model.device, model.config.picture_size
        self.int8 = False
        if int8 and dtype == torch.float32 and device.type == "cpu" and size >= _LARGE:
            self.int8 = int8_pays() and self._round()

    @property
    def bytes(self) -> int:
        """Memory of its weights."""
        parts = [self._stages, self._pixels, *([self._enlarger] if self._enlarger else [])]
        return self._table.nbytes + sum(w.nbytes for part in parts for w in part.parameters())

    def _round(self) -> bool:
        """Go over to 8 bits; False where that shows, and then all is as it was."""
        exact, codes = self._stages, torch.arange(self._side**2) % len(self._table)
        wanted = self(codes)
        self._stages = copy.deepcopy(exact)
        for stage in self._stages[1:]:
            in_int8(stage)
        off = (self(codes) - wanted).square().mean().item()
        if off <= _CLOSE:
            _log.info("pictures are decoded in 8 bits, as this processor is faster so")
            return True
        _log.warning("pictures are decoded in float32: in 8 bits they would be off by %.2g", off)
        self._stages = exact
        return False

    @torch.inference_mode()
    def __call__(self, codes: Tensor) -> Tensor:
        """Picture float32 ``(1, 3, size, size)`` in about -1..1 of int64 ``(tokens,)``."""
        looked_up = self._table.index_select(0, codes.to(self._table.device))
        hidden = looked_up.T.reshape(1, -1, self._side, self._side)
        for stage in self._stages:
            small = hidden.shape[-1] < _CHANNELS_LAST_FROM
            memory = torch.contiguous_format if small else torch.channels_last
            hidden = stage(hidden.contiguous(memory_format=memory))
        pixels: Tensor = self._pixels(hidden)
        return (pixels if self._enlarger is None else self._enlarger(hidden, pixels)).float()


def _level(level: Any) -> nn.Sequential:
    blocks: list[nn.Module] = []
    for number, block in enumerate(level.block):
        blocks.append(_Residual(block))
        if len(level.attn) > 0:
            blocks.append(level.attn[number])
    if hasattr(level, "upsample"):
        blocks.append(_Upsample(level.upsample.conv))
    return nn.Sequential(*blocks)


class _Residual(nn.Module):
    """Janus' residual block in fewer calls."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.first = nn.Sequential(block.norm1, nn.SiLU(), block.conv1)
        self.second = nn.Sequential(block.norm2, nn.SiLU(), block.conv2)
        self.shortcut = nn.Identity()
        if block.in_channels != block.out_channels:
            kind = "conv_shortcut" if block.use_conv_shortcut else "nin_shortcut"
            self.shortcut = getattr(block, kind)

    def forward(self, hidden: Tensor) -> Tensor:
        inner: Tensor = self.second(self.first(hidden))
        return inner.add_(self.shortcut(hidden))


class _Upsample(nn.Module):
    """Twice the side, then 3 x 3: as one convolution of 2 x 2 with four times the outputs."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        # Which of a kernel's three taps fall on which of two pixels, at a pixel's two places.
        taps = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
        taps = taps.to(conv.weight)
        kernels = torch.einsum("ayu,bxv,oiuv->aboiyx", taps, taps, conv.weight)
        self.conv = nn.Conv2d(
            conv.in_channels, 4 * conv.out_channels, 2, padding=1, device=conv.weight.device
        )
        self.conv.weight.copy_(kernels.flatten(0, 2))
        if conv.bias is not None and self.conv.bias is not None:
            self.conv.bias.copy_(conv.bias.repeat(4))

    def forward(self, hidden: Tensor) -> Tensor:
        rows, _, height, width = hidden.shape
        found: Tensor = self.conv(hidden)
        found = found.unflatten(1, (2, 2, -1)).permute(0, 1, 2, 4, 5, 3)
        larger = found.new_empty(rows, height, 2, width, 2, found.shape[-1])
        for y in (0, 1):
            for x in (0, 1):
                larger[:, :, y, :, x] = found[:, y, x, y : y + height, x : x + width]
        return larger.view(rows, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)
