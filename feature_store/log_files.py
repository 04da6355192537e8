"""The files of the event log: only ever added, each in one step, small ones made one in time.

Their names tell the order in which they were appended: `<size>-<time>-<random>.parquet`. When
enough neighbours of a size have gathered, they become one file of the next size in the place of
the oldest, so the number of files grows with the logarithm of the number of batches.

Beside a file that is not small lie its clicks alone, `<name>.clicks`: histories are made of clicks
of any age, and clicks are few. Where they are not, the file itself is read.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import accumulate, groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adloom.feature_store.locking import file_lock

_log = logging.getLogger(__name__)

_FILES_TO_MERGE = 32
_FEWEST_TO_MERGE = 16  # where so many are as large as a merge may be
_LARGEST_MERGE_BYTES = 32 * 1024 * 1024  # a merge of more would hold up the consumer
_ROWS_OF_A_GROUP = 16_384
"""Of a file, readers of a window take the groups of rows that have some of it."""
_STAGED = ".staged"
_CLICKS = ".clicks"
_SMALL = "0"
_WHOLE = "9"
"""The size of a file that is never merged: it was large when it was appended."""


class LogFiles:
    """Parquet files of one schema in a folder. Any number of processes may add and read."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._merging = folder / "merge.lock"
        self._merger = ThreadPoolExecutor(max_workers=1, thread_name_prefix="merge")
        self._merge: Future[None] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Waits for the merge that is under way."""
        self._merger.shutdown()

    def add(self, table: pa.Table) -> None:
        """Adds a file; it is on the disk when this returns. Merging goes on behind it."""
        self._write(table, _SMALL, _place_now())
        if self._merge is None or self._merge.done():
            self._merge = self._merger.submit(self._merge_neighbours)

    @contextmanager
    def staged(self, tables: Iterator[pa.Table]) -> Iterator[Callable[[], None]]:
        """Writes any number of rows beside the log; what it gives puts them in, in one step.

        Where that is not called, or the process ends before, none of them are added.
        """
        with file_lock(self._folder / "staging.lock"):
            for left in self._folder.glob(f"*{_STAGED}"):  # of one that was killed
                left.unlink()
            path = self._folder / f"{_random()}{_STAGED}"
            try:
                self._write_whole(path, tables)
                yield lambda: self._put_in_place(path, _WHOLE, _place_now())
            finally:
                path.unlink(missing_ok=True)

    @contextmanager
    def listed(self) -> Iterator[list[Path]]:
        """All files in the order they were appended; none is merged inside of the block."""
        # A listing made during a merge could miss both the small files and the large one.
        with file_lock(self._merging, shared=True):
            yield self._in_order()

    def _in_order(self) -> list[Path]:
        return in_order(self._folder.glob("*.parquet"))

    def _write(self, table: pa.Table, size: str, place: str) -> None:
        path = self._folder / f"{size}-{place}.partial"
        self._write_whole(path, iter([table]))
        self._put_in_place(path, size, place)

    def _write_whole(self, path: Path, tables: Iterator[pa.Table]) -> None:
        try:
            with path.open("wb") as file:
                with pq.ParquetWriter(file, self._schema) as writer:
                    for table in tables:
                        writer.write_table(table, row_group_size=_ROWS_OF_A_GROUP)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _put_in_place(self, path: Path, size: str, place: str) -> None:
        file = self._folder / f"{size}-{place}.parquet"
        path.replace(file)
        self._folder_to_disk()
        if size != _SMALL:
            self._set_clicks_apart(file)

    def _set_clicks_apart(self, file: Path) -> None:
        clicks = pq.read_table(file, schema=self._schema, filters=pc.field("kind") == "click")
        partial = file.with_suffix(f"{_CLICKS}.partial")
        self._write_whole(partial, iter([clicks]))
        partial.replace(file.with_suffix(_CLICKS))

    def _remove_clicks_of_merged(self) -> None:
        for clicks in self._folder.glob(f"*{_CLICKS}"):
            if not clicks.with_suffix(".parquet").exists():
                clicks.unlink()

    def _folder_to_disk(self) -> None:
        """A name is in the folder's own block: without this, a power cut can take it back."""
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _merge_neighbours(self) -> None:
        """A crash between write and unlink leaves events twice: reading them counts once."""
        try:
            while _worth_merging(self._in_order()):
                with file_lock(self._merging):
                    # Another process may have merged them by now.
                    if files := _worth_merging(self._in_order()):
                        table = pq.read_table(files, schema=self._schema)
                        size, place = _size(files[0]), _place(files[0])
                        self._write(table, f"{int(size) + 1}", f"{place}-{_random()}")
                        for path in files:
                            path.unlink()
                        self._remove_clicks_of_merged()
        except OSError:
            _log.exception("small files of the event log were not merged; the next batch tries it")


def in_order(files: Iterable[Path]) -> list[Path]:
    """Files of a log in the order they were appended; others by name."""
    return sorted(files, key=lambda path: (_place(path), path.name))


def clicks_alone(file: Path) -> Path:
    """What has the clicks of a file, and as little else as there is."""
    clicks = file.with_suffix(_CLICKS)
    return clicks if clicks.exists() else file


def _place_now() -> str:
    return f"{time.time_ns():020d}-{_random()}"


def _random() -> str:
    return uuid.uuid4().hex[:8]


def _size(path: Path) -> str:
    return path.name.partition("-")[0]


def _place(path: Path) -> str:
    """When the oldest batch in the file was appended; the whole name of one written elsewhere."""
    size, _, rest = path.name.partition("-")
    return rest.partition("-")[0] if size.isdecimal() else path.name


def _worth_merging(files: Sequence[Path]) -> Sequence[Path]:
    """The first neighbours of a size that are enough and not too large; none where there are."""
    try:
        for size, neighbours in groupby(files, _size):
            if not size.isdecimal() or size == _WHOLE:
                continue
            of_size = list(neighbours)
            for start in range(0, len(of_size) - _FILES_TO_MERGE + 1, _FILES_TO_MERGE):
                run = _fitting(of_size[start : start + _FILES_TO_MERGE])
                if len(run) >= _FEWEST_TO_MERGE:
                    return run
    except FileNotFoundError:  # another process is merging them
        pass
    return []


def _fitting(files: Sequence[Path]) -> Sequence[Path]:
    """The first of them that are not too large together."""
    sizes = accumulate(path.stat().st_size for path in files)
    return [path for path, size in zip(files, sizes, strict=True) if size <= _LARGEST_MERGE_BYTES]
