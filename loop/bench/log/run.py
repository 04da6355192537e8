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

from adloom.feature_store.event_log import EventLog
from adloom.feature_store.settings import LogSettings
from adloom.loop.bench.log.made import make_log
from adloom.loop.bench.log.members import MEMBERS, commits_together
from adloom.loop.bench.log.reads import READS

SIZES = (100_000, 1_000_000, 10_000_000)
COMMITS = 20
TIMES = 5
QUICK_SIZES, QUICK_COMMITS, QUICK_TIMES = (25_000, 50_000), 2, 2
_MIB = 2**20 if sys.platform == "darwin" else 2**10


def bench_log(
    sizes: Sequence[int] = SIZES,
    *,
    commits: int = COMMITS,
    times: int = TIMES,
    on_step: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Seconds and peak memory of every reader by number of logged events; the window is the same.

    Time is the median of several reads in one process (`times`), the first left out, by the clock
    and of the processor, which neighbours disturb less; memory is the peak of that process. The
    ratios are of the longest log to the shortest. `members` has what a commit takes one of many
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
            measured = [_alone(_measured, folder, name, times) for folder in folders]
            found[name] = {
                "events": {f"{size}": one for size, one in zip(sizes, measured, strict=True)},
                "time_ratio": measured[-1]["seconds"] / measured[0]["seconds"],
                "cpu_ratio": measured[-1]["cpu_seconds"] / measured[0]["cpu_seconds"],
                "memory_ratio": measured[-1]["peak_mib"] / measured[0]["peak_mib"],
            }
        found["members"] = {}
        for members in MEMBERS:
            on_step(f"Committing: {members} at once")
            folder = Path(scratch) / f"members-{members}"
            found["members"][f"{members}"] = commits_together(folder, members, commits)
    return found


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


def _measured(folder: Path, name: str, times: int) -> dict[str, float]:
    spent = []
    for _ in range(times):
        started, began = time.perf_counter(), time.process_time()
        READS[name](folder)
        spent.append((time.perf_counter() - started, time.process_time() - began))
    seconds, cpu_seconds = np.median(spent[1:], axis=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB
    return {
        "seconds": float(seconds),
        "cpu_seconds": float(cpu_seconds),
        "peak_mib": round(peak, 1),
    }
