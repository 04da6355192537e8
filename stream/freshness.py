"""A histogram that takes a batch at once: observing one by one would cost more than the parsing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

import numpy as np
from prometheus_client import Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

_BOUNDS = np.array([0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300])


class FreshnessHistogram(Collector):
    """How old events are when their features can be read, in seconds."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name, self._documentation = name, documentation
        self._counts = np.zeros(len(_BOUNDS) + 1, dtype=np.int64)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, moments: Iterable[datetime]) -> None:
        """Counts events that happened at these aware moments and can be read now."""
        ages = time.time() - np.fromiter((at.timestamp() for at in moments), dtype=np.float64)
        ages = ages.clip(min=0.0)  # the producer's clock may be ahead
        counts = np.bincount(np.searchsorted(_BOUNDS, ages), minlength=len(_BOUNDS) + 1)
        with self._lock:
            self._counts += counts
            self._sum += float(ages.sum())

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            reached, total = np.cumsum(self._counts), self._sum
        names = [*map(str, _BOUNDS.tolist()), "+Inf"]
        buckets = [(name, int(count)) for name, count in zip(names, reached, strict=True)]
        yield HistogramMetricFamily(
            self._name, self._documentation, buckets=buckets, sum_value=total
        )
