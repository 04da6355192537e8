"""Keys and values of the running rows in memory allocated once.

Rows that run lie at the front without gaps, so attention reads views and copies nothing; a row
that ends is replaced by the last one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.engine.weights import Shape

_LENGTH_STEP = 32
"""Keys are read in multiples of this, so that a GPU meets few shapes."""


class RowCache:
    """Static cache of up to ``rows`` rows of up to ``length`` tokens each, float32 on a CPU.

    ``lengths`` int64 ``(rows,)`` says how many tokens each row has so far; ``known`` says the
    same without asking the device.
    """

    def __init__(
        self, shape: Shape, rows: int, length: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        # A row's last token is never fed, but lengths are read in steps.
        length = -(-length // _LENGTH_STEP) * _LENGTH_STEP
        self.shape = shape
        size = (shape.layers, 2, rows, shape.kv_heads, length, shape.depth)
        self._storage = torch.zeros(size, dtype=dtype, device=device)
        self._flat = self._storage.view(shape.layers, -1, shape.depth)
        places = torch.arange(2 * rows * shape.kv_heads, device=device) * length
        # (rows, keys and values of each head): where row's first token lies.
        self._places = places.view(2, rows, -1).transpose(0, 1).reshape(rows, -1)
        self._counter = torch.arange(length, device=device)
        self.lengths = torch.zeros(rows, dtype=torch.long, device=device)
        self.known = [0] * rows
        self._rows = self._length = 0
        # By layer: all tokens, keys turned for the scores, values; views made when shapes change.
        self._views: list[tuple[Tensor, Tensor, Tensor]] = []

    @property
    def bytes(self) -> int:
        """Memory of keys and values."""
        return self._storage.numel() * self._storage.element_size()

    def put(self, row: int, prefix: Tensor) -> None:
        """Start ``row`` with keys and values ``(layers, 2, heads, tokens, depth)``."""
        tokens = prefix.shape[3]
        self._storage[:, :, row, :, :tokens] = prefix
        self.lengths[row] = self.known[row] = tokens

    def take(self, row: int) -> Tensor:
        """Keys and values of ``row`` so far, as :meth:`put` takes them; a view."""
        return self._storage[:, :, row, :, : self.known[row]]

    def move(self, source: int, target: int) -> None:
        """Copy ``source`` over ``target``."""
        self.put(target, self.take(source))

    def open_step(self, rows: int) -> Tensor:
        """Make ready for the next token of the first ``rows`` rows; returns their positions."""
        longest = max(self.known[:rows]) + 1
        length = -(-longest // _LENGTH_STEP) * _LENGTH_STEP
        if (rows, length) != (self._rows, self._length):
            self._rows, self._length = rows, length
            self._views = [self._view(layer) for layer in range(self.shape.layers)]
        positions = self.lengths[:rows]
        self._at = self._places[:rows] + positions[:, None]
        seen = self._counter[: self._length] <= positions[:, None]
        mask = torch.where(seen, 0.0, -torch.inf).to(self._storage.dtype)
        shape, heads = self.shape, self.shape.kv_heads
        mask = mask[:, None, None].expand(-1, heads, shape.heads // heads, -1)
        self._mask = mask.reshape(rows * heads, -1, self._length)
        return positions

    def attend(self, layer: int, queries: Tensor, keys_values: Tensor) -> Tensor:
        """Store a token's keys and values and attend to all of the row so far.

        Args:
            layer: which.
            queries: ``(rows, heads * depth)``, scaled.
            keys_values: ``(rows, 2 * kv_heads * depth)``.

        Returns:
            ``(rows, heads * depth)``.
        """
        rows, depth = self._rows, self.shape.depth
        tokens, keys, values = self._views[layer]
        tokens[self._at] = keys_values.view(rows, -1, depth)
        grouped = queries.reshape(len(keys), -1, depth)
        scores = torch.baddbmm(self._mask, grouped, keys)
        return torch.bmm(scores.softmax(-1), values).view(rows, -1)

    def _view(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        parts = self._storage[layer, :, : self._rows, :, : self._length].flatten(1, 2)
        return self._flat[layer], parts[0].transpose(1, 2), parts[1]

    def close_step(self) -> None:
        """Count the token that every row got."""
        self.lengths[: self._rows] += 1
        for row in range(self._rows):
            self.known[row] += 1
