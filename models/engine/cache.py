"""Keys and values of the running rows.

Rows that run lie at the front without gaps, and attention reads as much of each as the longest of
them needs; a row that ends is replaced by the last one. Nothing is moved when rows grow, and all
lies where it is: a system gives out memory page by page, as it is written.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from adloom.models.engine.weights import Shape

_LENGTH_STEP = 32
"""What is read of rows grows by this, so that it seldom does."""
_SUMMED = 32
"""In float32 a CPU sums so many values at a time: over all keys in one product, the order of
the sum, and with it the last bit, would hang on how long the other rows are."""


class RowCache:
    """Cache of up to ``rows`` rows of up to ``length`` tokens each, in ``dtype``.

    ``lengths`` int64 ``(rows,)`` says how many tokens each row has so far.
    """

    def __init__(
        self,
        shape: Shape,
        rows: int,
        length: int,
        device: torch.device,
        dtype: torch.dtype,
        *,
        fixed: bool = False,
    ) -> None:
        """All of a row is read in a ``fixed`` one, however short it is."""
        self.shape = shape
        self._most_tokens = _rounded(length)
        self._fixed, self._by_kernel = fixed, device.type == "cuda"
        if not self._by_kernel:
            # By position: minus infinity for what comes later.
            later = torch.full((self._most_tokens, self._most_tokens), -torch.inf, device=device)
            self._masks = later.triu_(1).to(dtype)
        self.lengths = torch.zeros(rows, dtype=torch.long, device=device)
        self._ahead = torch.arange(self._most_tokens, device=device)
        self._in_parts = device.type == "cpu" and dtype == torch.float32
        size = (shape.layers, 2, rows, shape.kv_heads, self._most_tokens, shape.depth)
        self._storage = _zeros(size, dtype, device)
        self._flat = self._storage.flatten(1, 4)
        places = torch.arange(2 * rows * shape.kv_heads, device=device)
        # (rows, keys and values of each head): where row's first token lies.
        places = places.view(2, rows, shape.kv_heads) * self._most_tokens
        self._places = places.transpose(0, 1).flatten(1)
        # Rows and their new tokens in this step; what is read of each row.
        self._rows = self._width = 0
        self._length = self._most_tokens if fixed else 0
        # By layer, made when one of these changes: see _view.
        self._views: list[tuple[Tensor, Tensor, Tensor]] = []

    @property
    def bytes(self) -> int:
        """Memory of keys and values when all rows run and one is as long as it may be."""
        return self._storage.nbytes

    def put(self, row: int, prefix: Tensor) -> None:
        """Start ``row`` with keys and values ``(layers, 2, heads, tokens, depth)``."""
        tokens = prefix.shape[3]
        self._read_up_to(tokens)
        self._storage[:, :, row, :, :tokens] = prefix
        self.lengths[row] = tokens

    def take(self, row: int, tokens: int) -> Tensor:
        """Keys and values of the first ``tokens`` of ``row``, as :meth:`put` takes them; a view."""
        return self._storage[:, :, row, :, :tokens]

    def remove(self, row: int, last: int) -> bool:
        """Let ``last``, the last row that runs, take the place of ``row``.

        Returns whether all that ``row`` stored is finite. What is not is wiped, where it was and
        where it came from: attention would read it in whatever row comes there next, and nothing
        times NaN is NaN.
        """
        stored = self.take(row, self._length)
        finite = _wiped_unless_finite(stored)
        if row < last:
            moved = self.take(last, self._length)
            stored.copy_(moved)
            _wiped_unless_finite(moved)
            self.lengths[row] = self.lengths[last]
        self.lengths[last] = 0
        return finite

    def clear(self) -> None:
        """Forget how long rows were, when none runs."""
        if not self._fixed:
            self._length = 0

    def _read_up_to(self, tokens: int) -> None:
        if tokens > self._length:
            self._length, self._rows = _rounded(tokens), 0

    def open_step(self, rows: int, width: int) -> Tensor:
        """Make ready for the next ``width`` tokens of the first ``rows`` rows.

        Returns their positions, ``(rows * width,)``, a row's side by side.
        """
        if not self._fixed:
            self._read_up_to(int(self.lengths[:rows].max()) + width)
        if rows != self._rows:
            self._views = [self._view(layer, rows) for layer in range(self.shape.layers)]
        self._rows, self._width = rows, width
        positions = (self.lengths[:rows, None] + self._ahead[:width]).flatten()
        at = self._places[:rows, None] + positions.view(rows, width, 1)
        self._at = at.flatten(0, 1)
        if not self._by_kernel:
            self._mask = self._mask_of(positions)
        return positions

    def _mask_of(self, positions: Tensor) -> Tensor:
        """What each head's scores are added to, ``(rows * kv_heads, queries, length)``."""
        rows, width, length, shape = self._rows, self._width, self._length, self.shape
        mask = self._masks[:, :length].index_select(0, positions).view(rows, 1, 1, width, length)
        mask = mask.expand(-1, shape.kv_heads, shape.heads // shape.kv_heads, -1, -1)
        return mask.reshape(rows * shape.kv_heads, -1, length)

    def attend(self, layer: int, queries: Tensor, keys_values: Tensor) -> Tensor:
        """Store the tokens' keys and values; each attends to all of its row so far.

        Args:
            layer: which.
            queries: ``(rows * width, heads * depth)``, scaled.
            keys_values: ``(rows * width, 2 * kv_heads * depth)``.

        Returns:
            ``(rows * width, heads, depth)``.
        """
        rows, width, depth = self._rows, self._width, self.shape.depth
        tokens, keys, values = self._views[layer]
        tokens[self._at] = keys_values.view(rows * width, -1, depth)
        if self._by_kernel:
            return self._by_row(layer, queries).view(rows * width, -1, depth)
        by_head = queries.view(rows, width, -1, depth).transpose(1, 2)
        grouped = by_head.reshape(len(keys), -1, depth)
        scores = torch.baddbmm(self._mask, grouped, keys)
        seen = self._weighed(scores.softmax(-1), values).view(rows, -1, width, depth)
        return seen.transpose(1, 2).flatten(0, 1)

    def _by_row(self, layer: int, queries: Tensor) -> Tensor:
        from adloom.models.engine.attention import attend_by_kernel  # Triton is where GPUs are

        found = torch.empty_like(queries, memory_format=torch.contiguous_format)
        keys, values = self._storage[layer]
        lengths = self.lengths[: self._rows]
        attend_by_kernel(
            queries, keys[: self._rows], values[: self._rows], lengths, self._width, found
        )
        return found

    def _weighed(self, shares: Tensor, values: Tensor) -> Tensor:
        if not self._in_parts:
            return torch.bmm(shares, values)
        first, *later = (slice(n, n + _SUMMED) for n in range(0, self._length, _SUMMED))
        found = torch.bmm(shares[..., first], values[:, first])
        for part in later:
            found.baddbmm_(shares[..., part], values[:, part])
        return found

    def _view(self, layer: int, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """All tokens; keys of the rows, turned for the scores; their values."""
        parts = self._storage[layer, :, :rows].flatten(1, 2)[:, :, : self._length]
        return self._flat[layer], parts[0].transpose(1, 2), parts[1]

    def advance(self, settled: Tensor) -> None:
        """Keep so many of the tokens, int64 ``(rows,)``, that each row got in this step.

        The others never were.
        """
        self.lengths[: len(settled)] += settled


def _wiped_unless_finite(stored: Tensor) -> bool:
    finite = bool(stored.sum(dtype=torch.float32).isfinite())
    if not finite:
        stored.zero_()
    return finite


def _zeros(size: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """On a CPU as numpy makes them: no page of them is in memory before it is written."""
    if device.type != "cpu":
        return torch.zeros(size, dtype=dtype, device=device)
    pages = np.zeros(math.prod(size) * dtype.itemsize, dtype=np.uint8)
    return torch.from_numpy(pages).view(dtype).view(size)


def _rounded(tokens: int) -> int:
    return -(-tokens // _LENGTH_STEP) * _LENGTH_STEP
