"""The event log as earlier releases kept it: parquet files in a folder, until it is taken over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from adloom.feature_store.backend import LogDamaged, StoreUnfit
from adloom.feature_store.log_layout import EVERY_DAY
from adloom.feature_store.log_order import STREAM
from adloom.feature_store.log_table import LogTable
from adloom.feature_store.logged import SCHEMA
from adloom.feature_store.progress import Reached
from adloom.feature_store.settings import LogSettings

OLD_LOG_FOLDER = "log"
"""Its folder under the home of the feature store."""
_ROWS_OF_A_COMMIT = 200_000
_TAKEN_OVER = "taken over"
"""What stands for a topic where the table notes which rows of a file it has."""


class OldLog(StoreUnfit):
    """The home has the event log of an earlier release; the message says what takes it over."""


def old_files(home: Path) -> list[Path]:
    """Those that are still to be taken over, in the order they were appended."""
    return in_order((home / OLD_LOG_FOLDER).glob("*.parquet"))


def refuse_old_log(home: Path) -> None:
    """Raises OldLog where there is one."""
    if old_files(home):
        raise OldLog(
            f"{home / OLD_LOG_FOLDER} has the event log of an earlier release: run adloom migrate, "
            "which takes it over"
        )


def take_over_log(
    home: Path, log: LogSettings, on_rows: Callable[[int, int], None] = lambda rows, total: None
) -> int:
    """Takes over the log of an earlier release, if there is one; the number of its records.

    Nobody opens the log before all of it is taken over; then its files are removed. Killed, it
    goes on where it was: what the table has it does not get again, from here or from Kafka.

    Args:
        home: of the feature store.
        log: where the table lies.
        on_rows: told how many are taken over, and of how many in all, again and again.

    Raises LogDamaged, LogUnavailable.
    """
    files, table = old_files(home), LogTable(log.place(home), log.endpoint_url)
    total = sum(map(_rows_in, files))
    done, last = 0, dict[tuple[str, int, str], int]()
    try:
        for file in files:
            first = table.noted(Reached(_TAKEN_OVER, 0, file.name, 0))
            for number, rows in enumerate(_parts(file)):
                _note_last(rows, last)
                done += rows.num_rows
                if number > first:
                    ended = [Reached(*stream, offset) for stream, offset in last.items()]
                    here = Reached(_TAKEN_OVER, 0, file.name, number)
                    is_last = file == files[-1] and done == total
                    noted = [*(ended if is_last else []), here]
                    table.append(rows, noted=noted, most_days=EVERY_DAY)
                on_rows(done, total)
    finally:
        table.close()
    for file in files:
        file.with_suffix(".clicks").unlink(missing_ok=True)
        file.unlink()
    return total


def _parts(file: Path) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(_ROWS_OF_A_COMMIT):
                yield pa.Table.from_batches([batch]).select(SCHEMA.names).cast(SCHEMA)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _damaged(file, error) from error


def _rows_in(file: Path) -> int:
    try:
        return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> LogDamaged:
    first = str(error).partition("\n")[0]
    return LogDamaged(
        f"{file} of the event log is damaged ({first}): put a copy of it back, or move it out of "
        "the folder and run adloom migrate again, which leaves its events out"
    )


def _note_last(rows: pa.Table, last: dict[tuple[str, int, str], int]) -> None:
    """The highest offsets of the partitions of Kafka's topics."""
    streams = rows.group_by(STREAM).aggregate([("offset", "max")]).to_pylist()
    for stream in streams:
        key = (stream["topic"], stream["partition"], stream["topic_id"])
        last[key] = max(last.get(key, 0), stream["offset_max"])


def in_order(files: Iterable[Path]) -> list[Path]:
    """Files of such a log in the order they were appended; others by name."""
    return sorted(files, key=lambda path: (_place(path), path.name))


def _place(path: Path) -> str:
    """When the oldest batch in the file was appended; the whole name of one written elsewhere.

    Names are `<size>-<time>-<random>.parquet`.
    """
    size, _, rest = path.name.partition("-")
    return rest.partition("-")[0] if size.isdecimal() else path.name
