"""The order of a history: by how far it agrees, in looks and in words.

What is read first counts most. A shopper who clicked three dark scenes and a bright one likes dark
scenes, even where the bright one was on the likest product. So an ad's support is the share of the
history that agrees with it, a kernel density over looks and one over manners of titles, each by
itself: what was clicked for its picture says little by its words. Ads that were looked at, clicked
or not, count a little too where they are known: what catches the eye is liked more often than not.

Some tastes do hang on what is sold. Nearness to the product counts where the history itself shows
that it does: where every ad's look and manner, left out, are foretold better by the ads of like
products than by all alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adloom.models.looks import unit

Kernel = NDArray[np.float64]
"""How far ads agree two by two, 0..1, ``(n, n)``."""

CONSIDERED = 24
"""Representatives of a history (:mod:`adloom.models.retrieval`) whose agreement is looked at."""
LOOK_SHARPNESS, TITLE_SHARPNESS = 4.0, 5.0
NEARNESS = 3.0
"""Ads of wholly unlike products weigh exp(-3) of those of the same."""
EVIDENCE = 2.0
"""Nats by which nearness must foretell a history better than no nearness does."""
_SAME_LOOK = 1 - 1e-5
_NEXT_TO_NOTHING = 1e-9
_DECIMALS = 6
"""Supports are compared with: what is equal must not be parted by how sums are rounded."""


@dataclass(frozen=True)
class Reading:
    """Positions of the ads that are read, by their pictures and by their titles.

    Both hold the same positions, the most agreed on first.
    """

    pictures: tuple[int, ...]
    titles: tuple[int, ...]

    @property
    def title_ranks(self) -> tuple[int, ...]:
        """For each of ``pictures``, the place of its title, from 0."""
        places = {position: rank for rank, position in enumerate(self.titles)}
        return tuple(places[position] for position in self.pictures)


def agreement(vectors: NDArray[np.floating], sharpness: float) -> Kernel:
    """exp(sharpness x (cosine - 1)) of rows ``(n, d)``, two by two; 0 where a row is all zeros."""
    rows = unit(vectors).astype(np.float64)
    told = rows.any(axis=1)
    found: Kernel = np.exp(sharpness * (rows @ rows.T - 1)) * np.outer(told, told)
    return found


def support(kernel: Kernel, weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """The share of a history that agrees with each ad, ``(n,)``.

    An ad that says nothing (its own kernel is 0) neither gives nor gets any: it has the mean.

    Args:
        kernel: of :func:`agreement`.
        weights: what each ad counts, ``(n,)``; one of 0 gives none.
    """
    told = (kernel.diagonal() > 0) & (weights > 0)
    if not told.any():
        return np.ones(len(kernel))
    counted = np.where(told, weights, 0.0) / np.sum(weights[told])
    found = kernel @ counted
    return np.where(told, found, found @ counted)


def evidence_of_nearness(kernel: Kernel, likeness: NDArray[np.floating], same: Kernel) -> float:
    """How much better, in nats, ads of like products foretell each ad than all ads do.

    Args:
        kernel: of :func:`agreement`.
        likeness: cosines of the ads' products, two by two, ``(n, n)``.
        same: 1 where two are one ad, which foretells itself whatever it sells, else 0.
    """
    told = kernel.diagonal() > 0
    others = np.outer(told, told) * (1 - same)
    near, even = np.exp(NEARNESS * (likeness - 1)) * others, others
    foretold = others.sum(1) > 0
    if not foretold.any():
        return 0.0
    logs = [
        np.log((w * kernel).sum(1)[foretold] / w.sum(1)[foretold] + _NEXT_TO_NOTHING)
        for w in (near, even)
    ]
    return float((logs[0] - logs[1]).sum())


def by_agreement(
    product: NDArray[np.floating],
    items: NDArray[np.floating],
    looks: NDArray[np.floating],
    manners: NDArray[np.floating],
    k: int = 10,
    seen: int = 0,
    seen_weight: float = 0.0,
) -> Reading:
    """The ``k`` ads that a history agrees on most, and the order of their pictures and titles.

    Where there is room for some only, the best pictures and the best titles take turns. Ads whose
    look is not known come last. Ties go to what comes first in the history as it is given.

    Args:
        product: vector of the target product, unit length, ``(d,)``.
        items: those of the ads' products, the one that says most first, ``(n, d)``.
        looks: of the ads (:func:`adloom.models.looks.distinct_looks`), ``(n, p)``; a row of zeros
            where a look is not known.
        manners: vectors of what their titles say beside the product, ``(n, q)``; a row of zeros
            where nothing is left.
        k: how many at most.
        seen: how many of the rows, the last ones, are of ads that were looked at: they are not
            read, and add to what agrees.
        seen_weight: what each of them counts beside one that was clicked.
    """
    count = len(items) - seen
    if k <= 0 or count <= 0:
        return Reading((), ())
    by_look, by_title = agreement(looks, LOOK_SHARPNESS), agreement(manners, TITLE_SHARPNESS)
    weights = _nearness(product, items, looks, by_look, by_title, count)
    counted = weights * np.where(np.arange(len(items)) < count, 1.0, seen_weight)
    unknown = by_look.diagonal()[:count] == 0
    pictures, titles = (
        _ranked((weights * support(kernel, counted))[:count], unknown)
        for kernel in (by_look, by_title)
    )
    turns = [position for both in zip(pictures, titles, strict=True) for position in both]
    chosen = set(list(dict.fromkeys(turns))[:k])
    read = (tuple(n for n in order if n in chosen) for order in (pictures, titles))
    return Reading(*read)


def _nearness(
    product: NDArray[np.floating],
    items: NDArray[np.floating],
    looks: NDArray[np.floating],
    by_look: Kernel,
    by_title: Kernel,
    clicked: int,
) -> NDArray[np.float64]:
    """What each ad weighs, ``(n,)``: all the same unless the history, the first ``clicked`` of
    them, shows that nearness counts."""
    vectors = items.astype(np.float64)
    seen = unit(looks[:clicked]).astype(np.float64)
    same = (seen @ seen.T > _SAME_LOOK).astype(np.float64)
    np.fill_diagonal(same, 1)
    likeness = vectors[:clicked] @ vectors[:clicked].T
    shown = sum(
        evidence_of_nearness(kernel[:clicked, :clicked], likeness, same)
        for kernel in (by_look, by_title)
    )
    if shown <= EVIDENCE:
        return np.ones(len(items))
    near = vectors @ product.astype(np.float64)
    found: NDArray[np.float64] = np.exp(NEARNESS * (near - near[:clicked].max()))
    return found


def _ranked(scores: NDArray[np.float64], last: NDArray[np.bool_]) -> list[int]:
    """Positions by score, the highest first; those that are ``last`` after all others."""
    rounded = np.round(np.log(scores + _NEXT_TO_NOTHING), _DECIMALS)
    return sorted(range(len(scores)), key=lambda n: (bool(last[n]), -float(rounded[n]), n))
