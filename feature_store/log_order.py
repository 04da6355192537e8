"""Which of several rows of an event counts, and in which order rows are told.

An event is the same as another of its kind, user and event id. It counts once: the first in the
order of the stream (the lowest offset of a topic id and partition) or, where it came by several
of these, of the one that was appended first.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

IDENTITY = ["kind", "user_id", "event_id"]
STREAM = ["topic", "topic_id", "partition"]


def counting(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows count, bool (n,): one of every event, of rows in the order they were appended.

    Args:
        rows: the columns IDENTITY, STREAM and `offset`.
    """
    copies = rows.assign(place=np.arange(len(rows)))
    by_stream = copies.groupby([*IDENTITY, *STREAM], dropna=False, sort=False)
    copies["stream_place"] = by_stream["place"].transform("min")
    copies = copies.sort_values(["stream_place", "offset", "place"])
    counts = np.zeros(len(rows), bool)
    counts[copies.drop_duplicates(IDENTITY)["place"].to_numpy()] = True
    return counts


class StreamOrder:
    """The order in which rows are told: as they were appended, but each stream by its offsets.

    A row that was appended late, after others of its stream that follow it, is told before them,
    since whoever applies rows takes an offset below the last one for a row that is known.

    Attributes:
        copies: bool (n,), rows of a record that was appended before: they are not told.
        late: bool (n,), rows that are told before their place in the files.
    """

    def __init__(self, rows: pa.Table) -> None:
        """Work it out from the columns STREAM and `offset`, in the order of appending."""
        offsets = rows.column("offset").to_numpy()
        streams = _numbered_streams(rows)
        places = np.arange(len(offsets), dtype=np.int64)
        by_offset = np.lexsort((places, offsets, streams))
        same = (np.diff(streams[by_offset]) == 0) & (np.diff(offsets[by_offset]) == 0)
        self.copies = np.zeros(len(offsets), bool)
        self.copies[by_offset[1:][same]] = True
        # A row is told where the first appended is of those that are not before it.
        self._told_at = np.empty_like(places)
        for stream in np.split(by_offset, np.flatnonzero(np.diff(streams[by_offset])) + 1):
            self._told_at[stream] = np.minimum.accumulate(stream[::-1])[::-1]
        self.late = (self._told_at < places) & ~self.copies
        self._offsets = offsets
        late = np.flatnonzero(self.late)
        self._late = late[np.argsort(self._told_at[late], kind="stable")]

    def between(self, first: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the rows that are told instead of those in the files from `first` to `end`.

        Both int64, the second as indices into the late rows: kept rows of this part, and late
        ones that are told among them. They are told in the order that `sorted` gives.
        """
        here = np.arange(first, end, dtype=np.int64)
        kept = here[~(self.copies | self.late)[first:end]]
        low, high = np.searchsorted(self._told_at[self._late], [first, end])
        return kept, self._late[low:high]

    def sorted(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices that bring rows of these places into the order in which they are told."""
        return np.lexsort((places, self._offsets[places], self._told_at[places]))


def _numbered_streams(rows: pa.Table) -> NDArray[np.int64]:
    """int64 (n,), a number for each topic, topic id and partition."""
    frame = rows.select(STREAM).to_pandas(strings_to_categorical=True)
    return frame.groupby(STREAM, dropna=False, observed=True, sort=False).ngroup().to_numpy()
