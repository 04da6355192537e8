"""What is kept of judged records: numbers and embeddings, no picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from adloom.loop.evaluation.intervals import Figure, distance_interval, mean_intervals
from adloom.models.datasets.record import AdRecord
from adloom.models.quality.distance import frechet_distance

BASELINE = "no_history"
"""The arm that the others are held against."""

Figures = dict[str, dict[str, Figure]]
"""Arm, metric."""


class Group(BaseModel):
    """The figures of some records.

    ``differences`` are those of each arm less those of ``no_history`` for the same records.
    """

    records: int
    arms: Figures
    differences: Figures


class Report(BaseModel):
    """All figures of an evaluation.

    Of groups with a single record there is nothing to tell. ``fid`` has no interval: it is biased
    by the size of a sample, and so are those of all resamples. ``distances_of`` says what features
    both are taken on: "inception" as usual, or "pbs", whose figures compare with no others'.
    """

    base: str
    adapter: str | None
    overall: Group
    kid: dict[str, Figure]
    fid: dict[str, float]
    distances_of: Literal["inception", "pbs"]
    by_language: dict[str, Group]
    by_category: dict[str, Group]


@dataclass
class Tally:
    """Grows by some records at a time."""

    languages: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    _clicked: list[NDArray[np.float32]] = field(default_factory=list)
    _drawn: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)
    _values: dict[str, dict[str, list[NDArray[np.float64]]]] = field(default_factory=dict)

    def add_records(self, records: Sequence[AdRecord], features: NDArray[np.float32]) -> None:
        """Note records, and the features of their clicked pictures, ``(records, width)``."""
        self.languages += [record.language for record in records]
        self.categories += [record.category for record in records]
        self._clicked.append(features)

    def add_arm(
        self, arm: str, values: Mapping[str, NDArray[np.float64]], features: NDArray[np.float32]
    ) -> None:
        """Note what an arm made of the records that were added last."""
        for name, column in values.items():
            self._values.setdefault(arm, {}).setdefault(name, []).append(column)
        self._drawn.setdefault(arm, []).append(features)

    def overall(self, seed: int) -> Group:
        """Figures of all records."""
        return self._group(np.ones(len(self.languages), dtype=bool), seed)

    def by(self, labels: Sequence[str], seed: int) -> dict[str, Group]:
        """Figures of the records of each label, the most frequent first; "" is left out."""
        told = np.asarray(labels)
        names, counts = np.unique(told, return_counts=True)
        often = sorted(zip(-counts, names, strict=True))
        return {
            str(name): self._group(told == name, seed)
            for count, name in often
            if name and count <= -2
        }

    def features(self) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Of each arm's pictures and of the clicked ones, ``(records, width)`` each."""
        clicked = np.concatenate(self._clicked)
        return {arm: (np.concatenate(parts), clicked) for arm, parts in self._drawn.items()}

    def _group(self, among: NDArray[np.bool_], seed: int) -> Group:
        columns = {
            (arm, name): np.concatenate(parts)[among]
            for arm, metrics in self._values.items()
            for name, parts in metrics.items()
        }
        beside = {
            (arm, name): column - columns[BASELINE, name]
            for (arm, name), column in columns.items()
            if arm != BASELINE
        }
        figures = mean_intervals(columns, seed=seed)
        differences = mean_intervals(beside, seed=seed)
        return Group(
            records=int(among.sum()), arms=_nested(figures), differences=_nested(differences)
        )


def report(tally: Tally, base: str, adapter: str | None, *, inception: bool, seed: int) -> Report:
    """The figures of everything that was judged; ``inception``: its features were added."""
    features = tally.features()
    scale = 1 / next(iter(features.values()))[0].shape[1] if inception else 1.0
    return Report(
        base=base,
        adapter=adapter,
        overall=tally.overall(seed),
        kid={
            arm: distance_interval(*both, seed=seed, scale=scale) for arm, both in features.items()
        },
        fid={arm: frechet_distance(*both) for arm, both in features.items()},
        distances_of="inception" if inception else "pbs",
        by_language=tally.by(tally.languages, seed),
        by_category=tally.by(tally.categories, seed),
    )


def _nested(figures: Mapping[tuple[str, str], Figure]) -> Figures:
    nested: Figures = {}
    for (arm, metric), figure in figures.items():
        nested.setdefault(arm, {})[metric] = figure
    return nested
