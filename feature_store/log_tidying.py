"""Small files of the log become large ones, and files that nobody reads any more go.

It runs behind the stream. Who appends is never in its way, and of two that tidy the same files
one leaves it to the other.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from adloom.feature_store.delta_errors import one_line
from adloom.feature_store.log_layout import BY_USER, LAID, PERIOD

_log = logging.getLogger(__name__)

WRITING = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=16_384)
"""Of a file, readers of a window take the groups of rows that have some of it."""
_EVERY_COMMITS, _VACUUM_EVERY_COMMITS = 64, 1_024
_FEWEST_FILES = 16
_LARGE_BYTES = 64 * 1024 * 1024


def is_due(version: int) -> bool:
    """Whether who made this version of the table is to tidy: one of all that append."""
    return version % _EVERY_COMMITS == 0


def tidy(url: str, options: dict[str, str] | None) -> None:
    """Merges small files where there are many; what fails is left for the next time."""
    try:
        table = DeltaTable(url, storage_options=options)
        for laid, period in _crowded(table):
            where = [(LAID, "=", laid), (PERIOD, "=", period)]
            if _is_over(laid, period):
                table.optimize.z_order(
                    ["user_id"], where, target_size=_LARGE_BYTES, writer_properties=WRITING
                )
            else:
                table.optimize.compact(where, target_size=_LARGE_BYTES, writer_properties=WRITING)
        if table.version() % _VACUUM_EVERY_COMMITS < _EVERY_COMMITS:
            table.vacuum(dry_run=False, full=True)
    except CommitFailedError as error:
        _log.info("small files of the event log are merged by another: %s", one_line(error))
    except (DeltaError, OSError) as error:
        _log.warning("small files of the event log were not merged: %s", one_line(error))


def _crowded(table: DeltaTable) -> list[tuple[str, str]]:
    """Parts of the table that have many small files, and years that are over in several."""
    files = pa.table(table.get_add_actions(flatten=True))
    names = [f"partition.{LAID}", f"partition.{PERIOD}", "size_bytes"]
    sizes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for laid, period, size in zip(*(files.column(n).to_pylist() for n in names), strict=True):
        sizes[laid, period].append(size)
    return [part for part, of_part in sizes.items() if _is_crowded(part, of_part)]


def _is_crowded(part: tuple[str, str], sizes: Sequence[int]) -> bool:
    if _is_over(*part) and len(sizes) > 1 and sum(sizes) < _LARGE_BYTES:
        return True  # sorted by user it is read faster, and to write it anew is cheap
    return sum(size < _LARGE_BYTES for size in sizes) >= _FEWEST_FILES


def _is_over(laid: str, period: str) -> bool:
    return laid == BY_USER and period < f"{datetime.now(UTC):%Y}"
