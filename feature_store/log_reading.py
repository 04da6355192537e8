"""Rows out of the files of the log's table: those of a time, a partition, or some users."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial, reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
from deltalake import DeltaTable

from adloom.feature_store.backend import LogDamaged
from adloom.feature_store.log_layout import BY_DAY, BY_USER, LAID, PLACE, TABLE, Where

_ROWS_OF_ONE_READ = 10_000
_FILES_AT_ONCE = 4
"""Of a bucket, which takes its time to answer; threads on the files of a folder only wait."""
_FEW_AT_ONCE = {"fragment_readahead": 1, "batch_readahead": 2}
"""Files and parts of them that are held while one is read: what is sought may lie in any number."""
_FORMAT = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions())


class LogFiles:
    """The files of one version of the table; they never change."""

    def __init__(self, table: DeltaTable, folder: Path | None) -> None:
        """List them; `folder` is where they lie on this machine."""
        self.version = table.version()
        self._told = pa.table(table.get_add_actions(flatten=True))
        self.filesystem, self._near = _filesystem(table, folder), folder is not None

    def told_of_all(self) -> pa.Table:
        """What the table tells of all files, however their rows lie."""
        return self._told

    def having(self, users: Collection[str]) -> set[str]:
        """Paths of the files that have rows of any of these users. Raises LogDamaged."""
        wanted, having = pa.array(users, pa.string()), set()
        for laid in (BY_DAY, BY_USER):
            found = self._dataset(laid, ())
            try:
                with ThreadPoolExecutor(self._at_once, thread_name_prefix="log-users") as threads:
                    files = list(found.get_fragments())
                    has = threads.map(
                        lambda file: bool(_groups_of(wanted, self._near, file)), files
                    )
                    having |= {file.path for file, any_ in zip(files, has, strict=True) if any_}
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(found, error) from error
        return having

    @property
    def _at_once(self) -> int:
        return 1 if self._near else _FILES_AT_ONCE

    def told(self, laid: str, where: Where = ()) -> pa.Table:
        """What the table tells of the files that may have some: `min.ts`, `num_records`, ..."""
        if not self._told.num_rows:
            return self._told
        fits = pc.equal(self._told.column(f"partition.{LAID}"), laid)
        return self._told.filter(
            reduce(pc.and_, (_may_have(self._told, *one) for one in where), fits)
        )

    def rows(
        self, laid: str, where: Where, columns: Sequence[str], condition: pc.Expression | None
    ) -> pa.Table:
        """Rows in any order. Raises LogDamaged."""
        found = self._dataset(laid, where)
        try:
            return found.to_table(columns=list(columns), filter=condition, **_FEW_AT_ONCE)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(found, error) from error

    def rows_of(
        self,
        laid: str,
        users: Collection[str],
        where: Where,
        columns: Sequence[str],
        condition: pc.Expression | None,
    ) -> pa.Table:
        """Rows of users: of parts of files without these users no more is read than names.

        In any order. Raises LogDamaged.
        """
        wanted = pa.array(users, pa.string())
        found = self._dataset(laid, where)
        read = partial(_of_users, wanted, list(columns), condition, self._near)
        try:
            with ThreadPoolExecutor(self._at_once, thread_name_prefix="log-users") as threads:
                parts = list(threads.map(read, found.get_fragments()))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(found, error) from error
        empty = TABLE.empty_table().select(list(columns))
        return pa.concat_tables([empty, *(part for part in parts if part is not None)])

    def parts(self, laid: str, where: Where, condition: pc.Expression) -> Iterator[pa.Table]:
        """Whole rows of one file after the other, as they were appended. Raises LogDamaged."""
        found = self._dataset(laid, where)
        for fragment in found.get_fragments():
            try:
                yield fragment.to_table(schema=TABLE, filter=condition, **_FEW_AT_ONCE)
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(found, error) from error

    def whole(self, path: str) -> pa.Table:
        """All rows of one file; where they lie is not among their columns. Raises LogDamaged."""
        file = _FORMAT.make_fragment(path, self.filesystem)
        try:
            return file.to_table(schema=TABLE, **_FEW_AT_ONCE)
        except (pa.ArrowException, OSError) as error:
            raise LogDamaged(f"{path} of the event log is damaged: {error}") from error

    def all_rows(self, laid: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All of them in any order, some thousand at a time. Raises LogDamaged."""
        found = self._dataset(laid, ())
        batches = found.to_batches(columns=list(columns), batch_size=_ROWS_OF_ONE_READ)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(found, error) from error
            if batch is None:
                return
            yield pa.Table.from_batches([batch])

    def _dataset(self, laid: str, where: Where) -> ds.Dataset:
        files = self.told(laid, where)
        if files.num_rows:
            files = files.sort_by(f"min.{PLACE}")
        paths = files.column("path").to_pylist() if files.num_rows else []
        fragments = [_FORMAT.make_fragment(path, self.filesystem) for path in paths]
        return ds.FileSystemDataset(fragments, TABLE, _FORMAT, self.filesystem)


def _filesystem(table: DeltaTable, folder: Path | None) -> pa_fs.FileSystem:
    if folder is not None:  # the library's own would be through Python for every read
        return pa_fs.SubTreeFileSystem(str(folder), pa_fs.LocalFileSystem())
    return table.to_pyarrow_dataset(file_pruning_predicate=[(LAID, "=", "")]).filesystem


def _may_have(files: pa.Table, name: str, op: str, value: object) -> pa.ChunkedArray:
    """Whether each file may have rows with that; one that does not tell may."""
    low, high = files.column(f"min.{name}"), files.column(f"max.{name}")
    sought = pa.scalar(value, TABLE.field(name).type)
    not_below, not_above = pc.greater_equal(high, sought), pc.less_equal(low, sought)
    held = {
        ">=": not_below,
        "<=": not_above,
        "<": pc.less(low, sought),
        "=": pc.and_(not_below, not_above),
    }[op]
    return pc.fill_null(held, True)


def _of_users(
    users: pa.Array,
    columns: list[str],
    condition: pc.Expression | None,
    near: bool,
    file: ds.Fragment,
) -> pa.Table | None:
    """What a file has of the users; None where it has nothing."""
    numbers = _groups_of(users, near, file)
    if not numbers:
        return None
    return file.subset(row_group_ids=numbers).to_table(
        schema=TABLE, columns=columns, filter=condition, use_threads=False, **_FEW_AT_ONCE
    )


def _groups_of(users: pa.Array, near: bool, file: ds.Fragment) -> list[int]:
    """The groups of rows of a file that have any of the users.

    Of each group each user's name is read once, from a file that is ``near`` alone.
    """
    with pq.ParquetFile(
        file.path,
        filesystem=file.filesystem,
        read_dictionary=["user_id"],
        pre_buffer=not near,
    ) as names:
        return [n for n in range(names.num_row_groups) if _has_any(names, n, users)]


def _has_any(names: pq.ParquetFile, group: int, users: pa.Array) -> bool:
    found = names.read_row_group(group, columns=["user_id"], use_threads=False).column(0)
    return any(pc.any(pc.is_in(part.dictionary, users)).as_py() for part in found.chunks)


def _unreadable(rows: ds.Dataset, error: Exception) -> LogDamaged:
    """Names the first of the files that cannot be read whole."""
    for fragment in rows.get_fragments():
        try:
            fragment.to_table(schema=TABLE)
        except (pa.ArrowException, OSError) as found:
            first = str(found).partition("\n")[0]
            return LogDamaged(
                f"{fragment.path} of the event log is damaged ({first}): put a copy of it back"
            )
    return LogDamaged(f"the event log could not be read: {error}")
