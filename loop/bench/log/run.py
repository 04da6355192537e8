"""Each reader over logs of growing length, every one in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adloom.feature_store.event_log import EventLog
from adloom.feature_store.settings import LogSettings
from adloom.loop.bench.log.made import make_log
from adloom.loop.bench.log.members import MEMBERS, commits_together
from adloom.loop.bench.log.reads import READS

SIZES = (100_000, 1_000_000, 10_000_000)
COMMITS = 20
TIMES = 5
PASSES = 5
QUICK_SIZES, QUICK_COMMITS, QUICK_TIMES, QUICK_PASSES = (25_000, 50_000), 2, 2, 1
_MEASURED = "seconds", "cpu_seconds", "peak_mib"
_RATIOS = "time_ratio", "cpu_ratio", "memory_ratio"
_MIB = 2**20 if sys.platform == "darwin" else 2**10


def bench_log(
    sizes: Sequence[int] = SIZES,
    *,
    commits: int = COMMITS,
    times: int = TIMES,
    passes: int = PASSES,
    on_step: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Seconds and peak memory of every reader by number of logged events; the window is the same.

    Time is the median of several reads in one process (`times`), the first left out, by the clock
    and of the processor, which neighbours disturb less; memory is the peak of that process. All
    sizes are read in turn, `passes` times: each figure is the median over these. The ratios are of
    the longest log to the shortest, of the same pass. `members` has what a commit takes one of many
    (`commits` each).
    """
    with tempfile.TemporaryDirectory(prefix="adloom-bench-") as scratch:
        folders = [Path(scratch) / f"{size}" for size in sizes]
        for size, folder in zip(sizes, folders, strict=True):
            on_step(f"Writing a log of {size:,} events")
            _alone(_fill, folder, size)
        found: dict[str, Any] = {}
        for name in READS:
            on_step(f"Reading: {name}")
            measured = [
                [_alone(_measured, folder, name, times) for folder in folders]
                for _ in range(passes)
            ]
            found[name] = _told(sizes, np.array(measured))
        found["members"] = {}
        for members in MEMBERS:
            on_step(f"Committing: {members} at once")
            folder = Path(scratch) / f"members-{members}"
            found["members"][f"{members}"] = commits_together(folder, members, commits)
    return found


def _told(sizes: Sequence[int], measured: NDArray[np.float64]) -> dict[str, Any]:
    """Of shape (passes, sizes, 3), in the order of `_MEASURED`."""
    middle = np.median(measured, axis=0)
    ratios = np.median(measured[:, -1] / measured[:, 0], axis=0)
    events = {
        f"{size}": dict(zip(_MEASURED, map(float, row), strict=True))
        for size, row in zip(sizes, middle, strict=True)
    }
    return {"events": events} | dict(zip(_RATIOS, map(float, ratios), strict=True))


def _alone(measure: Callable[..., Any], *given: Any) -> Any:
    """In a process of its own, whose memory nothing else has used."""
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload(["adloom.loop.bench.log.reads"])  # loaded once for all of them
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(measure, *given).result()


def _fill(folder: Path, events: int) -> None:
    log = EventLog.under(LogSettings(), folder)
    make_log(log, events)
    log.close()


def _measured(folder: Path, name: str, times: int) -> tuple[float, float, float]:
    """As `_MEASURED` has it."""
    spent = []
    for _ in range(times):
        started, began = time.perf_counter(), time.process_time()
        READS[name](folder)
        spent.append((time.perf_counter() - started, time.process_time() - began))
    seconds, cpu_seconds = np.median(spent[1:], axis=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB
    return float(seconds), float(cpu_seconds), round(peak, 1)
