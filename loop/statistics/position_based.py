"""How likely each position of a page is looked at, from showings and clicks alone.

The position-based model (Richardson, Dominowska and Ragno, 2007, "Predicting clicks"; named so by
Craswell et al., 2008): an ad is clicked where it is looked at, which hangs on its position, and
where it attracts, which hangs on what is shown. Fitted by expectation maximisation over both
(Wang et al., 2018, "Position bias estimation for unbiased learning to rank in personal search").

What is told apart is only what was shown at several positions: an ad that always stands on top
says nothing of the top. So what is not known counts as looked at, which corrects nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PRIOR_LOOKS = 1.0
"""A look, and a click, that each position starts with: where little was shown it counts as seen."""
_STARTS, _MOST_STEPS = 50, 300
_STILL = 1e-6
_SURELY = 1 - 1e-9

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class PositionModel:
    """What was found.

    Attributes:
        positions: int64, shape (positions,), ascending: those that were seen.
        examination: float64, shape (positions,), above 0 and at most 1: how likely each is looked
            at, over the position that is looked at most.
        attractiveness: float64, shape (groups,), 0..1: how likely what is shown is clicked there;
            0 for a group without showings.
    """

    positions: Places
    examination: Numbers
    attractiveness: Numbers


def fitted_positions(
    position: NDArray[np.integer], group: Places, clicked: NDArray[np.bool_]
) -> PositionModel:
    """Fit the model; time and memory go with the showings, however large their positions are.

    Args:
        position: shape (n,), of each showing; any integers.
        group: int64 from 0, shape (n,): showings that attract alike, such as those of an ad.
        clicked: shape (n,).

    Raises:
        ValueError: the three are not of one length.
    """
    if not len(position) == len(group) == len(clicked):
        raise ValueError("position, group and clicked are not of one length")
    positions, place = np.unique(np.asarray(position, dtype=np.int64), return_inverse=True)
    groups = int(group.max()) + 1 if len(group) else 0
    counts = _Counts.of(place.astype(np.int64), group, clicked, len(positions), groups)
    if len(positions) < 2 or not counts.clicks.any():
        attracts = counts.by_group(counts.clicks) / np.maximum(1, counts.by_group(counts.shown))
        return PositionModel(positions, np.ones(len(positions)), attracts)
    examination, attractiveness = _matched(counts)
    for _ in range(_MOST_STEPS):
        before = examination
        examination, attractiveness = _step(counts, examination, attractiveness)
        if np.abs(examination - before).max() < _STILL:
            break
    return PositionModel(positions, examination, attractiveness)


@dataclass(frozen=True)
class _Counts:
    """Showings and clicks by position and group, those pairs alone that were seen: ``(cells,)``."""

    place: Places
    group: Places
    shown: Numbers
    clicks: Numbers
    positions: int
    groups: int

    @classmethod
    def of(
        cls, place: Places, group: Places, clicked: NDArray[np.bool_], positions: int, groups: int
    ) -> _Counts:
        cells, cell = np.unique(place * max(1, groups) + group, return_inverse=True)
        return cls(
            place=cells // max(1, groups),
            group=cells % max(1, groups),
            shown=np.bincount(cell, minlength=len(cells)).astype(np.float64),
            clicks=_sums(cell, clicked.astype(np.float64), len(cells)),
            positions=positions,
            groups=groups,
        )

    def by_place(self, values: Numbers) -> Numbers:
        """Sums of ``(cells,)`` by position."""
        return _sums(self.place, values, self.positions)

    def by_group(self, values: Numbers) -> Numbers:
        """Sums of ``(cells,)`` by group."""
        return _sums(self.group, values, self.groups)

    @property
    def anchor(self) -> int:
        """The position of most clicks: the scale of the model is free, and this one is known best.
        Positions seen too rarely to be sure of then cannot make all others small."""
        return int(np.argmax(self.by_place(self.clicks)))


def _sums(bins: Places, values: Numbers, of: int) -> Numbers:
    return np.bincount(bins, values, of).astype(np.float64)  # no values at all are counted as int


def _matched(counts: _Counts) -> tuple[Numbers, Numbers]:
    """Examination and attractiveness by which expected clicks are those that were counted.

    Such sums need few steps where expectation maximisation, which starts from here, needs many.
    """
    clicks_of_place = counts.by_place(counts.clicks) + _PRIOR_LOOKS
    clicks_of_group = counts.by_group(counts.clicks)
    examination, attractiveness = np.ones(counts.positions), np.zeros(counts.groups)
    for _ in range(_STARTS):
        looks = counts.by_group(counts.shown * examination[counts.place])
        attractiveness = np.minimum(_SURELY, clicks_of_group / np.maximum(looks, 1e-12))
        expected = counts.by_place(counts.shown * attractiveness[counts.group])
        examination = clicks_of_place / np.maximum(expected, 1e-12)
        examination = np.minimum(1.0, examination / min(1.0, examination[counts.anchor]))
    return examination, attractiveness


def _step(
    counts: _Counts, examination: Numbers, attractiveness: Numbers
) -> tuple[Numbers, Numbers]:
    """One step of expectation maximisation."""
    looks, attracts = examination[counts.place], attractiveness[counts.group]
    left = counts.shown - counts.clicks
    unclicked = 1 - np.minimum(_SURELY, looks * attracts)
    looked = counts.clicks + left * looks * (1 - attracts) / unclicked
    attracted = counts.clicks + left * attracts * (1 - looks) / unclicked
    of_place, of_group = counts.by_place(counts.shown), counts.by_group(counts.shown)
    examined = (counts.by_place(looked) + _PRIOR_LOOKS) / (of_place + _PRIOR_LOOKS)
    top = examined[counts.anchor]
    return (
        np.minimum(1.0, examined / top),
        np.minimum(_SURELY, top * counts.by_group(attracted) / np.maximum(1, of_group)),
    )
