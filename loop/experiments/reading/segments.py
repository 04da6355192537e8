"""The lift in parts of the shop: new and returning shoppers, categories, languages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adloom.loop.catalogue.product import Product
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.reading.lifts import ArmFigures, arm_figures
from adloom.loop.settings.experiments import Experiment
from adloom.loop.statistics.discoveries import false_discovery_rates

Products = Callable[[Collection[str]], Mapping[str, Product]]
"""The products among some ids that the catalogue has."""

NEW, RETURNING = "new", "returning"
_MOST_OF_A_KIND = 12
_OTHERS, _UNKNOWN = "all others", "not in the catalogue"


@dataclass(frozen=True)
class Segment:
    """A part of the ads.

    Attributes:
        kind: `shoppers`, `category` or `language`.
        name: which of these.
        arms: figures by arm; their p-values are of one look at this part alone.
        q_values: by arm, the same held against all parts that are looked at (Benjamini and
            Hochberg): of the lifts with a value below 0.05, 5 % or fewer are expected to be none.
    """

    kind: str
    name: str
    arms: dict[str, ArmFigures]
    q_values: dict[str, float]


def by_segment(
    outcomes: Outcomes,
    experiment: Experiment,
    *,
    returning: NDArray[np.bool_],
    products: Products,
) -> list[Segment]:
    """Every segment with ads, the largest of a kind first; more than 12 of a kind are merged.

    A kind of which there is but one is left out: it is the whole experiment.

    Args:
        outcomes: with closed windows alone.
        returning: shape (users,), whether a user was there before the experiment.
        products: what is known of the products that ads were for.
    """
    if not len(outcomes):
        return []
    known = products(outcomes.items)
    found = [known.get(item) for item in outcomes.items]
    kinds: dict[str, tuple[Sequence[str], NDArray[np.int64]]] = {
        "shoppers": ([RETURNING if old else NEW for old in returning], outcomes.user),
        "category": ([_shelf(product) for product in found], outcomes.item),
        "language": (
            [product.language if product else _UNKNOWN for product in found],
            outcomes.item,
        ),
    }
    parts = {kind: _parts(names, of_each) for kind, (names, of_each) in kinds.items()}
    segments = [
        Segment(kind, name, arm_figures(outcomes.where(inside), experiment), {})
        for kind, named in parts.items()
        if len(named) > 1
        for name, inside in named
    ]
    return _held_against_each_other(segments)


def _shelf(product: Product | None) -> str:
    """The first shelf of the path: deeper ones hold too few ads to tell anything."""
    if product is None:
        return _UNKNOWN
    return product.category.split(">")[0].strip() or "no category"


def _parts(names: Sequence[str], of_each: NDArray[np.int64]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Names and which ads are theirs, bool (n,); ``of_each`` indexes ``names``."""
    distinct, number = np.unique(np.asarray(names, dtype=object), return_inverse=True)
    mine = number[of_each]
    sizes = np.bincount(mine, minlength=len(distinct))
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] > 0]
    kept = order if len(order) <= _MOST_OF_A_KIND else order[: _MOST_OF_A_KIND - 1]
    parts = [(str(distinct[n]), mine == n) for n in kept]
    if len(kept) < len(order):
        parts.append((_OTHERS, ~np.isin(mine, kept)))
    return parts


def _held_against_each_other(segments: Sequence[Segment]) -> list[Segment]:
    tested = [
        (n, arm, figures.p_value)
        for n, segment in enumerate(segments)
        for arm, figures in segment.arms.items()
        if figures.p_value is not None
    ]
    q_values: list[dict[str, float]] = [{} for _ in segments]
    rates = false_discovery_rates(np.array([p for *_, p in tested]))
    for (n, arm, _), q in zip(tested, rates.tolist(), strict=True):
        q_values[n][arm] = q
    return [replace(s, q_values=q) for s, q in zip(segments, q_values, strict=True)]
