"""Records of a data set in the order that a training meets them, a few row groups in memory.

An order is a function of seed and position, so that a run goes on at any position without reading
what came before, and processes that deal the positions among them meet each record once an epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adloom.models.brief import Example
from adloom.models.datasets.record import AdRecord, Split
from adloom.models.datasets.shards import SCHEMA, read_rows, record_at, row_groups, shard_files

WINDOW = 16
"""Row groups that are mixed with each other, and in memory, at a time."""
_COLUMNS = [name for name in SCHEMA.names if name != "picture"]  # its codes are what is learnt


@dataclass(frozen=True)
class _Group:
    """Rows of one split in a row group."""

    file: Path
    number: int
    rows: NDArray[np.int64]

    def read(self) -> pa.Table:
        return read_rows(self.file, self.number, _COLUMNS).take(self.rows)


class ShuffledRecords:
    """Records of a split, endlessly, each epoch in an order of its own.

    Row groups are shuffled over all shards, and rows within a window of row groups.
    """

    def __init__(self, folder: Path, split: Split, *, seed: int, window: int = WINDOW) -> None:
        """Look at which rows are of the split; no record is read by then.

        Raises:
            BadShards: the data set is not complete, or a shard is damaged.
        """
        self._seed = seed
        self._size = window
        self._groups = [
            group
            for file in shard_files(folder)
            for number in range(row_groups(file))
            if len((group := _rows_of(file, number, split)).rows)
        ]
        self._counts = np.array([len(group.rows) for group in self._groups], dtype=np.int64)
        self._window: tuple[tuple[int, int], pa.Table] | None = None

    def __len__(self) -> int:
        """Records of an epoch."""
        return int(self._counts.sum())

    def record(self, position: int) -> AdRecord:
        """The record at ``position``, counted from 0 over all epochs; its picture is empty.

        Raises:
            BadShards: its shard is damaged.
        """
        epoch, at = divmod(position, len(self))
        order = self._rng(epoch).permutation(len(self._groups))
        starts = np.concatenate([[0], self._counts[order].cumsum()])[: len(order) : self._size]
        number = int(np.searchsorted(starts, at, side="right")) - 1
        rows = self._rows(epoch, number, order[number * self._size : (number + 1) * self._size])
        return record_at(rows, at - int(starts[number]))

    def example(self, position: int, history: int) -> Example:
        """The record at ``position`` as a target; of its history ``history`` ads at most, drawn
        anew each time that it comes."""
        record = self.record(position)
        drawn = record.representing(history, self._rng(position, 1)) if history else ()
        return record.example(drawn)

    def _rows(self, epoch: int, number: int, groups: NDArray[np.int64]) -> pa.Table:
        """Rows of a window, mixed."""
        if self._window is None or self._window[0] != (epoch, number):
            self._window = None  # two windows are never in memory
            rows = pa.concat_tables([self._groups[group].read() for group in groups])
            mixed = rows.take(self._rng(epoch, 2, number).permutation(len(rows)))
            self._window = (epoch, number), mixed
        return self._window[1]

    def _rng(self, *of: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, *of))


def _rows_of(file: Path, number: int, split: Split) -> _Group:
    splits = read_rows(file, number, ["split"])["split"].to_numpy()
    return _Group(file, number, np.flatnonzero(splits == split))
