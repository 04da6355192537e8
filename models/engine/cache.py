"""Keys and values of the running rows.

Rows that run lie at the front without gaps and are just as long as the longest of them needs, so
that attention reads the memory as it lies; a row that ends is replaced by the last one. Memory
grows with what runs, and is let go of when nothing does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from adloom.models.engine.weights import Shape

_LENGTH_STEP = 32
"""Rows grow by this, so that they seldom do and a GPU meets few shapes."""
_SUMMED = 32
"""In float32 a CPU sums so many values at a time: over all keys in one product, the order of
the sum, and with it the last bit, would hang on how long the other rows are."""


class RowCache:
    """Cache of up to ``rows`` rows of up to ``length`` tokens each, in ``dtype``.

    ``lengths`` says how many tokens each row has so far.
    """

    def __init__(
        self, shape: Shape, rows: int, length: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.shape = shape
        self._most_rows, self._most_tokens = rows, _rounded(length)
        # By position: minus infinity for what comes later.
        later = torch.full((self._most_tokens, self._most_tokens), -torch.inf, device=device)
        self._masks = later.triu_(1).to(dtype)
        self.lengths = [0] * rows
        self._rows = self._width = 0
        self._in_parts = device.type == "cpu" and dtype == torch.float32
        self._lay_out(torch.zeros(self._size(0, 0), dtype=dtype, device=device))

    @property
    def bytes(self) -> int:
        """Memory of keys and values when all rows run and one is as long as it may be."""
        numbers = math.prod(self._size(self._most_rows, self._most_tokens))
        return numbers * self._storage.element_size()

    def put(self, row: int, prefix: Tensor) -> None:
        """Start ``row`` with keys and values ``(layers, 2, heads, tokens, depth)``."""
        tokens = prefix.shape[3]
        self._make_room(row + 1, tokens)
        self._storage[:, :, row, :, :tokens] = prefix
        self.lengths[row] = tokens

    def take(self, row: int) -> Tensor:
        """Keys and values of ``row`` so far, as :meth:`put` takes them; a view."""
        return self._storage[:, :, row, :, : self.lengths[row]]

    def scrub(self, row: int) -> bool:
        """Whether all that ``row`` stored is finite; where it is not, it is wiped.

        Attention would read it in whatever row comes there next: nothing times NaN is NaN.
        """
        stored = self._storage[:, :, row]
        finite = bool(stored.sum(dtype=torch.float32).isfinite())
        if not finite:
            stored.zero_()
        return finite

    def move(self, source: int, target: int) -> None:
        """Copy ``source`` over ``target``."""
        self.put(target, self.take(source))

    def clear(self) -> None:
        """Let go of the memory, when no row runs."""
        self._lay_out(self._storage.new_zeros(self._size(0, 0)))

    def _make_room(self, rows: int, tokens: int) -> None:
        """Let ``rows`` rows have room for ``tokens`` tokens; what is there stays."""
        if rows <= self._room and tokens <= self._length:
            return
        old, room = self._storage, self._room
        if rows > room:
            room = min(self._most_rows, max(rows, 2 * room))
        storage = old.new_zeros(self._size(room, max(self._length, _rounded(tokens))))
        storage[:, :, : old.shape[2], :, : old.shape[4]] = old
        self._lay_out(storage)

    def _lay_out(self, storage: Tensor) -> None:
        """Keep tokens in ``storage`` from now on; nothing looks at the old one any more."""
        shape = self.shape
        self._storage, self._rows = storage, 0
        self._room, self._length = storage.shape[2], storage.shape[4]
        self._flat = storage.flatten(1, 4)
        places = torch.arange(2 * self._room * shape.kv_heads, device=storage.device)
        # (rows, keys and values of each head): where row's first token lies.
        places = places.view(2, self._room, shape.kv_heads) * self._length
        self._places = places.transpose(0, 1).flatten(1)
        # By layer, made when the rows of a step change: see _view.
        self._views: list[tuple[Tensor, Tensor, Tensor]] = []

    def _size(self, rows: int, tokens: int) -> tuple[int, ...]:
        shape = self.shape
        return (shape.layers, 2, rows, shape.kv_heads, tokens, shape.depth)

    def open_step(self, rows: int, width: int) -> Tensor:
        """Make ready for the next ``width`` tokens of the first ``rows`` rows.

        Returns their positions, ``(rows * width,)``, a row's side by side.
        """
        self._make_room(rows, max(self.lengths[:rows]) + width)
        if rows != self._rows:
            self._views = [self._view(layer, rows) for layer in range(self.shape.layers)]
        self._rows, self._width, length = rows, width, self._length
        counted = [row + n for row in self.lengths[:rows] for n in range(width)]
        positions = torch.tensor(counted, device=self._masks.device)
        at = self._places[:rows, None] + positions.view(rows, width, 1)
        self._at = at.flatten(0, 1)
        mask = self._masks[:, :length].index_select(0, positions).view(rows, 1, 1, width, length)
        shape, heads = self.shape, self.shape.kv_heads
        mask = mask.expand(-1, heads, shape.heads // heads, -1, -1)
        self._mask = mask.reshape(rows * heads, -1, length)
        return positions

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
        by_head = queries.view(rows, width, -1, depth).transpose(1, 2)
        grouped = by_head.reshape(len(keys), -1, depth)
        scores = torch.baddbmm(self._mask, grouped, keys)
        seen = self._weighed(scores.softmax(-1), values).view(rows, -1, width, depth)
        return seen.transpose(1, 2).flatten(0, 1)

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
        parts = self._storage[layer, :, :rows].flatten(1, 2)
        return self._flat[layer], parts[0].transpose(1, 2), parts[1]

    def advance(self, settled: Sequence[int]) -> None:
        """Keep so many of the tokens that each row got in this step; the others never were."""
        for row, count in enumerate(settled):
            self.lengths[row] += count


def _rounded(tokens: int) -> int:
    return -(-tokens // _LENGTH_STEP) * _LENGTH_STEP
