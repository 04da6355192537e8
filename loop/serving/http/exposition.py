"""Metrics as Prometheus reads them; of one of several replicas, with its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy

from prometheus_client import REGISTRY, Metric, generate_latest
from prometheus_client.registry import Collector


def exposition(labels: Mapping[str, str]) -> bytes:
    """All metrics of this process, each with these labels beside its own.

    Replicas answer at one address, any of them: without its name their counts would be taken for
    one another's.
    """
    return generate_latest(_Labelled(labels) if labels else REGISTRY)


class _Labelled(Collector):
    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)

    def collect(self) -> Iterator[Metric]:
        for family in REGISTRY.collect():
            named = copy(family)  # some collectors give the same one again
            named.samples = [s._replace(labels=s.labels | self._labels) for s in family.samples]
            yield named
