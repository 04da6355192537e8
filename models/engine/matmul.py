"""Matrix products of a decoding step.

On a CPU, where oneDNN is there, weights are packed once, in the layout that its kernels want.
For the few rows of a step this is up to three times as fast as a product that packs anew on every
call. What a row gets does not depend on how many rows there are. oneDNN sums many inputs in parts
that hang on the number of rows; how weights are packed decides from how many inputs on, and beyond
these rows go in blocks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SUMMED_AT_ONCE = 1024
"""Inputs whose sum is one however many rows there are, in weights that are packed for it."""
_BLOCK = 32
"""Rows, from two on, of which each gets the same whatever their number."""


def _packed_for(inputs: int, dtype: torch.dtype) -> int:
    """The number of rows that oneDNN is told when it packs weights."""
    return 1 if dtype == torch.bfloat16 and inputs <= _SUMMED_AT_ONCE else 16


def _packs(weight: Tensor) -> bool:
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return weight.dtype == torch.float32


def fast_dtype(model_dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """What products of a step compute in: bfloat16 where a CPU has instructions for it."""
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return model_dtype


def computes_from(own: torch.dtype, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether products in ``dtype`` are computed from weights of dtype ``own`` as they lie.

    In float32 a CPU gives a row what hangs on the number of rows, unless weights are packed.
    """
    return own == dtype and not (device.type == "cpu" and dtype == torch.float32)


class Product:
    """``x @ weight.T + bias`` for ``x`` ``(rows, inputs)`` in the dtype of ``weight``."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, *, as_it_lies: bool = False
    ) -> None:
        """Take a copy of ``weight`` ``(outputs, inputs)``, or share its memory ``as_it_lies``.

        Later changes do not count in a copy.
        """
        self.dtype = weight.dtype
        self.shape = tuple(weight.shape)
        self._bias = None if bias is None else bias.detach().clone()
        self._packed = not as_it_lies and _packs(weight)
        if as_it_lies:
            self._weight = weight.detach()
        elif self._packed:
            plain = weight.detach().contiguous()
            rows = _packed_for(weight.shape[1], weight.dtype)
            self._weight = torch.ops.mkldnn._reorder_linear_weight(plain, rows)
        else:
            self._weight = weight.detach().clone()

    def beside(self, more: Tensor) -> Product:
        """The product of this weight and ``more`` ``(outputs, more inputs)`` side by side."""
        weight = self._weight.to_dense() if self._packed else self._weight
        return Product(torch.cat([weight, more.to(weight)], dim=1), self._bias)

    def __call__(self, x: Tensor) -> Tensor:
        """``(rows, outputs)``."""
        if not self._packed:
            return F.linear(x, self._weight, self._bias)
        return self._of_blocks(x)

    def _of_blocks(self, *given: Tensor) -> Tensor:
        rows, inputs = given[0].shape
        if inputs <= _SUMMED_AT_ONCE or 1 < rows <= _BLOCK:
            return self._packed_product(*given)
        if rows == 1:
            return self._packed_product(*(one.expand(2, -1).contiguous() for one in given))[:1]
        blocks = zip(*(one.split(_BLOCK) for one in given), strict=True)
        return torch.cat([self._of_blocks(*block) for block in blocks])

    def _packed_product(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        out: Tensor
        if other is None:
            out = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        else:
            out = torch.ops.mkldnn._linear_pointwise.binary(
                x, other, self._weight, self._bias, "add"
            )
        return out

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """``other`` ``(rows, outputs)`` and the product."""
        if not self._packed:
            return other + self(x)
        return self._of_blocks(x, other)
