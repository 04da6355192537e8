"""SQLite files of a home, looked through without a trace beside them."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

_SECONDS = 4.0
_STEPS = 10_000  # of SQLite's machine, between two looks at the clock
_MIB = 2**20


def looked_through(file: Path, remedy: str) -> tuple[str, str | None]:
    """What a file is, and what is wrong with it.

    All of it is read, as far as that goes in a few seconds. Raises OSError.
    """
    size = file.stat().st_size
    whole = f"{file}, {size / _MIB:,.1f} MiB"
    ends = time.monotonic() + _SECONDS
    try:
        with closing(opened(file)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            return f"{whole}, looked at for {_SECONDS:g} s", None
        return whole, f"{file} cannot be read ({error}): {remedy}"
    except sqlite3.DatabaseError as error:
        return whole, f"{file} is damaged ({error}): {remedy}"
    if found != "ok":
        return whole, f"{file} is damaged ({str(found).splitlines()[-1]}): {remedy}"
    return f"{whole}, whole", None


def opened(file: Path) -> sqlite3.Connection:
    """A connection that reads, and leaves no file behind. Raises sqlite3.Error.

    Where nobody has it open SQLite would leave its own two beside it: then it is read as a file
    that nobody changes.
    """
    in_use = all(file.with_name(file.name + end).exists() for end in ("-wal", "-shm"))
    uri = f"{file.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri if in_use else f"{uri}&immutable=1", uri=True)
