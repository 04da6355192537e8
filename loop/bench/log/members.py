"""What a commit to the log takes, by how many members commit to the same table."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.progress import Reached
from adloom.loop.bench.log.made import END

MEMBERS = (1, 16)
_SECONDS = 2.0
"""Between the commits of a member, as `[log] commit_seconds` has it."""
_EVENTS_OF_A_COMMIT = 3_000


def commits_together(folder: Path, members: int, commits: int) -> dict[str, Any]:
    """Members with a log and a partition of their own each, that bring every batch twice.

    Returns:
        seconds of a commit, the median and the longest; how many records are lost and doubled.
    """
    spent: list[float] = []
    threads = [
        threading.Thread(target=_commit, args=(folder, number, members, commits, spent))
        for number in range(members)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    places = {
        (event.partition, event.offset) for part in EventLog(folder).batches() for event in part
    }
    records, wanted = EventLog(folder).records(), members * commits * _EVENTS_OF_A_COMMIT
    return {
        "seconds_p50": float(np.median(spent)),
        "seconds_max": max(spent),
        "lost": wanted - len(places),
        "doubled": records - len(places),
    }


def _commit(folder: Path, number: int, members: int, commits: int, spent: list[float]) -> None:
    log = EventLog(folder)
    time.sleep(_SECONDS * number / members)
    for commit in range(commits):
        events = [_click(number, n) for n in _offsets(commit)]
        reached = [Reached("bench", number, "bench", events[-1].offset)]
        started = time.perf_counter()
        log.append(events, reached)
        spent.append(time.perf_counter() - started)
        log.append(events, reached)
        time.sleep(max(0.0, started + _SECONDS - time.perf_counter()))
    log.close()


def _offsets(commit: int) -> range:
    return range(commit * _EVENTS_OF_A_COMMIT, (commit + 1) * _EVENTS_OF_A_COMMIT)


def _click(number: int, offset: int) -> LoggedEvent:
    user = f"user-{number}-{offset % 500}"
    return LoggedEvent(
        "click", f"{number}-{offset}", END, user, "item", "bench", number, offset, "bench"
    )
