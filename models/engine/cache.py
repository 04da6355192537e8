"""Keys and values of the running rows.

Rows that run lie at the front without gaps, each with as much room as the longest of them will
need; a row that ends is replaced by the last one. So what attention reads lies in one piece, which
products in bfloat16 want (they copy what does not), and nothing is moved as rows grow. Memory is
given out page by page, as it is written.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from adloom.models.engine.weights import Shape

_ROOM_STEP = 16
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
        """In a ``fixed`` one all rows have room for ``length``."""
        self.shape = shape
        self._most_rows, self._most_tokens = rows, _rounded(length)
        self._fixed, self._by_kernel = fixed, device.type == "cuda"
        if not self._by_kernel:
            # By position: minus infinity for what comes later.
            later = torch.full((self._most_tokens, self._most_tokens), -torch.inf, device=device)
            self._masks = later.triu_(1).to(dtype)
        self.lengths = torch.zeros(rows, dtype=torch.long, device=device)
        self._ahead = torch.arange(self._most_tokens, device=device)
        self._in_parts = device.type == "cpu" and dtype == torch.float32
        size = shape.layers * 2 * rows * shape.kv_heads * self._most_tokens * shape.depth
        self._memory = _zeros(size, dtype, device)
        # Rows and their new tokens in this step.
        self._rows = self._width = 0
        # By layer, made when one of these changes: see _view.
        self._views: list[tuple[Tensor, Tensor, Tensor]] = []
        self._set_room(self._most_tokens)

    @property
    def bytes(self) -> int:
        """Memory of keys and values when all rows run and one is as long as it may be."""
        return self._memory.nbytes

    def put(self, row: int, prefix: Tensor, more: int) -> None:
        """Start ``row``, the first that does not run yet, with keys and values
        ``(layers, 2, heads, tokens, depth)``; it will get up to ``more`` tokens."""
        tokens = prefix.shape[3]
        if not self._fixed:
            self._make_room(row, _rounded(tokens + more))
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
        stored = self.take(row, self._room)
        finite = _wiped_unless_finite(stored)
        if row < last:
            moved = self.take(last, self._room)
            stored.copy_(moved)
            _wiped_unless_finite(moved)
            self.lengths[row] = self.lengths[last]
        self.lengths[last] = 0
        return finite

    def _make_room(self, running: int, tokens: int) -> None:
        """Give each row room for ``tokens``; of those that run, at least what they have."""
        if running == 0:
            self._set_room(tokens)
        elif tokens > self._room:
            room, kept = self._room, self._storage[:, :, :running].clone()
            self._set_room(tokens)
            self._storage[:, :, :running, :, :room] = kept

    def _set_room(self, tokens: int) -> None:
        """What lies in memory is another row's or token's then, and is not read."""
        shape, rows = self.shape, self._most_rows
        size = (shape.layers, 2, rows, shape.kv_heads, tokens, shape.depth)
        self._room, self._rows = tokens, 0
        self._storage = self._memory[: math.prod(size)].view(size)
        self._flat = self._storage.flatten(1, 4)
        places = torch.arange(2 * rows * shape.kv_heads, device=self._memory.device)
        # (rows, keys and values of each head): where row's first token lies.
        places = places.view(2, rows, shape.kv_heads) * tokens
        self._places = places.transpose(0, 1).flatten(1)

    def open_step(self, rows: int, width: int) -> Tensor:
        """Make ready for the next ``width`` tokens of the first ``rows`` rows.

        Returns their positions, ``(rows * width,)``, a row's side by side.
        """
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
        """What each head's scores are added to, ``(rows * kv_heads, queries, room)``."""
        rows, width, room, shape = self._rows, self._width, self._room, self.shape
        mask = self._masks[:, :room].index_select(0, positions).view(rows, 1, 1, width, room)
        mask = mask.expand(-1, shape.kv_heads, shape.heads // shape.kv_heads, -1, -1)
        return mask.reshape(rows * shape.kv_heads, -1, room)

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
        shares = self._scored(grouped, keys).softmax(-1)
        seen = self._weighed(shares, values).view(rows, -1, width, depth)
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

    def _scored(self, queries: Tensor, keys: Tensor) -> Tensor:
        if self._in_parts:
            return torch.baddbmm(self._mask, queries, keys.transpose(1, 2))
        # In bfloat16 a second factor is laid out anew: that is the queries, which are few.
        scores = torch.bmm(keys, queries.transpose(1, 2)).transpose(1, 2)
        return torch.add(scores, self._mask, out=torch.empty_like(self._mask))

    def _weighed(self, shares: Tensor, values: Tensor) -> Tensor:
        if not self._in_parts:
            return torch.bmm(shares, values)
        first, *later = (slice(n, n + _SUMMED) for n in range(0, self._room, _SUMMED))
        found = torch.bmm(shares[..., first], values[:, first])
        for part in later:
            found.baddbmm_(shares[..., part], values[:, part])
        return found

    def _view(self, layer: int, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """All tokens; keys of the rows; their values."""
        keys, values = self._storage[layer, :, :rows].flatten(1, 2)
        return self._flat[layer], keys, values

    def advance(self, settled: Tensor) -> None:
        """Keep so many of the tokens, int64 ``(rows,)``, that each row got in this step.

        The others never were.
        """
        self.lengths[: len(settled)] += settled


def _wiped_unless_finite(stored: Tensor) -> bool:
    least, most = stored.aminmax()  # NaN, if there is one
    finite = bool(least.isfinite() & most.isfinite())
    if not finite:
        stored.zero_()
    return finite


def _zeros(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """On a CPU as numpy makes them: no page of them is in memory before it is written."""
    if device.type != "cpu":
        return torch.zeros(size, dtype=dtype, device=device)
    return torch.from_numpy(np.zeros(size * dtype.itemsize, dtype=np.uint8)).view(dtype)


def _rounded(tokens: int) -> int:
    return -(-tokens // _ROOM_STEP) * _ROOM_STEP
