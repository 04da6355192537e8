"""Rows out of the log's table for good: files that have some are written anew without them.

The library's own DELETE would keep its predicate, and with it whom it was about, in the table's
log; and it writes texts in a type that filters cannot be pushed into.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pa_fs
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from adloom.feature_store.log_layout import BY_DAY, BY_USER, LAID, PERIOD, TABLE
from adloom.feature_store.log_reading import LogFiles
from adloom.feature_store.log_tidying import WRITING

TOLD_OF_FILES = ("kind", "ts", "topic", "topic_id", "partition", "offset", "place")
"""What the table tells of each file. Not of users: that would outlive the file."""
TOLD = "delta.dataSkippingStatsColumns"
BESIDE = "erased"
"""The folder in the table's own that has files that were written anew."""
_TRIES = 200
_SECONDS_BETWEEN_TRIES = 0.02


@dataclass(frozen=True)
class Going:
    """Rows that go: those of some users, or those of before a moment."""

    users: Collection[str] = ()
    before: datetime | None = None

    def files(self, files: LogFiles) -> list[dict[str, Any]]:
        """What the table tells of the files that have some."""
        every = files.told_of_all()
        if not every.num_rows:
            return []
        has_events = pc.is_in(every.column(f"partition.{LAID}"), pa.array([BY_DAY, BY_USER]))
        every = every.filter(has_events)
        if self.before is not None:
            early = pc.less(every.column("min.ts"), pa.scalar(self.before))
            return list(every.filter(pc.fill_null(early, True)).to_pylist())
        having = files.having(self.users)
        return [one for one in every.to_pylist() if one["path"] in having]

    def stay(self, rows: pa.Table) -> pa.Table:
        """The rows that do not go."""
        if self.before is not None:
            return rows.filter(pc.greater_equal(rows.column("ts"), pa.scalar(self.before)))
        users = pa.array(self.users, pa.string())
        return rows.filter(pc.invert(pc.is_in(rows.column("user_id"), users)))


class Erasing:
    """Files written anew beside the table, until a commit puts them in the place of the old ones.

    They are written by the library, as a table of its own in a folder of the table: whatever the
    storage is, nothing else of the process waits for it meanwhile.
    """

    def __init__(self, url: str, options: dict[str, str] | None, going: Going) -> None:
        self._url, self._options, self._going = url, options, going
        self._folder = f"{BESIDE}/{uuid.uuid4().hex}"
        self._made: dict[str, list[AddAction]] = {}
        self._beside: DeltaTable | None = None
        self._seen: set[str] = set()

    def commit(self, table: DeltaTable, files: Callable[[], LogFiles]) -> None:
        """Raises what the library does; CommitFailedError where others always were faster."""
        tries = _TRIES
        while found := self._going.files(now := files()):
            actions: list[AddAction | RemoveAction] = []
            for file in found:
                if file["path"] not in self._made:
                    self._made[file["path"]] = self._without(file, now)
                actions += [_removed(file), *self._made[file["path"]]]
            try:
                # A try that is repeated by the library does not see that others merged the files.
                table.create_write_transaction(
                    actions,
                    "append",
                    table.schema(),
                    [LAID, PERIOD],
                    commit_properties=CommitProperties(max_commit_retries=0),
                )
            except CommitFailedError:
                tries -= 1
                if not tries:
                    raise
                time.sleep(_SECONDS_BETWEEN_TRIES)

    def _without(self, file: dict[str, Any], files: LogFiles) -> list[AddAction]:
        """The rows of a file that stay, as files of their own; none where no row stays."""
        last, before = file["max.ts"], self._going.before
        if before is not None and last is not None and last < before:
            return []
        kept = self._going.stay(files.whole(file["path"]))
        if not kept.num_rows:
            return []
        for name, value in _partition(file).items():
            place = kept.schema.get_field_index(name)
            constant = pa.array([value] * kept.num_rows, pa.string())
            kept = kept.set_column(place, name, constant)
        told = _stats(kept)
        return [
            AddAction(
                path=f"{self._folder}/{made['path']}",
                size=made["size_bytes"],
                partition_values=_partition(file),
                modification_time=_now(),
                data_change=True,
                stats=json.dumps({"numRecords": made["num_records"]} | told, default=_moment),
            )
            for made in self._write(kept)
        ]

    def _write(self, rows: pa.Table) -> list[dict[str, Any]]:
        """What is told of the files that were made of the rows."""
        if self._beside is None:
            self._beside = DeltaTable.create(
                f"{self._url}/{self._folder}",
                TABLE,
                partition_by=[LAID, PERIOD],
                configuration={TOLD: ",".join(TOLD_OF_FILES)},
                storage_options=self._options,
            )
        write_deltalake(self._beside, rows, mode="append", writer_properties=WRITING)
        self._beside.update_incremental()
        every = pa.table(self._beside.get_add_actions(flatten=True)).to_pylist()
        new = [made for made in every if made["path"] not in self._seen]
        self._seen.update(made["path"] for made in new)
        return new


def left_beside(filesystem: pa_fs.FileSystem, used: Collection[str]) -> Iterator[str]:
    """Files beside the table that no commit uses: whoever made them was killed, or has ended."""
    beside = pa_fs.FileSelector(BESIDE, allow_not_found=True, recursive=True)
    for found in filesystem.get_file_info(beside):
        if found.type == pa_fs.FileType.File and found.path not in used:
            yield found.path


def _stats(rows: pa.Table) -> dict[str, Any]:
    """The least and the greatest of each column, and how many nulls, as Delta has it."""
    told: dict[str, dict[str, Any]] = {"minValues": {}, "maxValues": {}, "nullCount": {}}
    for name in TOLD_OF_FILES:
        ends = pc.min_max(rows.column(name)).as_py()
        told["nullCount"][name] = rows.column(name).null_count
        for of, key in (("min", "minValues"), ("max", "maxValues")):
            if ends[of] is not None:
                told[key][name] = ends[of]
    return told


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _partition(file: dict[str, Any]) -> dict[str, str | None]:
    return {name: file[f"partition.{name}"] for name in (LAID, PERIOD)}


def _removed(file: dict[str, Any]) -> RemoveAction:
    return RemoveAction(
        path=file["path"],
        data_change=True,
        deletion_timestamp=_now(),
        size=file["size_bytes"],
        partition_values=_partition(file),
    )


def _now() -> int:
    return int(time.time() * 1_000)
