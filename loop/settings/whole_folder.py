"""A folder that is there once it is whole: what is large is written beside it first."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_GIB = 2**30


def too_full(out: Path, needed: int, what: str) -> str | None:
    """Why the disk has no room for ``what``, which takes ``needed`` bytes, in one line; None where
    it has. Nothing is written.
    """
    there = out.absolute().parent
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free >= needed:
        return None
    return (
        f"{what} takes {needed / _GIB:.1f} GiB and {there} has {free / _GIB:.1f} GiB free: "
        "make room, or choose another --out"
    )


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` to write to, which is ``out`` at the end of the block.

    ``out`` is not there, or empty. A block that fails leaves nothing; what is left of one that was
    killed is removed by the next.
    """
    out = out.absolute()
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.replace(out)  # also in the place of an empty folder
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
