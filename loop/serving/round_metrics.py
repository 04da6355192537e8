"""Learning rounds as Prometheus sees them: they run in other processes and leave their outcomes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from adloom.loop.learning.rounds.kept import ABANDONED, OUTCOME

RESULTS = ("passed", "refused", "undecided", "abandoned")
"""By the gate; abandoned = somebody gave the round up."""


class RoundsCollector(Collector):
    """Reads what rounds under a folder left; every file once, unless it changes."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._read: dict[Path, tuple[float, str]] = {}  # when it was written, and the result

    def watch(self, folder: Path) -> None:
        """Tell of the rounds under this folder from now on, whether it is there yet or not."""
        self._folder, self._read = folder, {}

    def collect(self) -> Iterator[Metric]:
        """Counts by result, and when the last one of each ended."""
        self._look()
        counts = Counter(result for _, result in self._read.values())
        rounds = CounterMetricFamily(
            "adloom_rounds", "Learning rounds that ended, by result", labels=["result"]
        )
        last = GaugeMetricFamily(
            "adloom_round_last_timestamp_seconds",
            "When the last learning round of a result ended",
            labels=["result"],
        )
        for result in RESULTS:
            rounds.add_metric([result], counts[result])
            moments = [at for at, found in self._read.values() if found == result]
            if moments:
                last.add_metric([result], max(moments))
        yield rounds
        yield last

    def _look(self) -> None:
        if self._folder is None:
            return
        found: dict[Path, tuple[float, str]] = {}
        for name in (OUTCOME, ABANDONED):
            for path in self._folder.glob(f"round-*/{name}"):
                try:
                    at = path.stat().st_mtime
                    known = self._read.get(path)
                    same = known is not None and known[0] == at
                    found[path] = known if known is not None and same else (at, _result(path))
                except (OSError, ValueError, RecursionError):
                    # Gone meanwhile, or damaged: `adloom rounds` tells.
                    continue
        self._read = found


ROUNDS = RoundsCollector()
REGISTRY.register(ROUNDS)


def _result(path: Path) -> str:
    if path.name == ABANDONED:
        return "abandoned"
    told = json.loads(path.read_text())
    if not isinstance(told, dict):
        raise ValueError(f"{path}: not a JSON object")
    judgement = told.get("judgement")
    if isinstance(judgement, dict) and judgement.get("answer") == "cannot_tell":
        return "undecided"
    return "refused" if told.get("objections") else "passed"
