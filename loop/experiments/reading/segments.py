"""The lift in parts of the shop: new and returning shoppers, categories, languages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adloom.loop.catalogue.product import Product
from adloom.loop.experiments.happened import Happened
from adloom.loop.experiments.metric_sums import Countable, UserSums
from adloom.loop.experiments.metrics import metric_arms
from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.reading.lifts import (
    ArmFigures,
    LiftFigures,
    MetricFigures,
    arm_figures,
    metric_figures,
)
from adloom.loop.settings.experiments import Experiment
from adloom.loop.settings.metrics import Metric
from adloom.loop.statistics.discoveries import false_discovery_rates

Products = Callable[[Collection[str]], Mapping[str, Product]]
"""The products among some ids that the catalogue has."""

NEW, RETURNING = "new", "returning"
_MOST_OF_A_KIND = 12
_OTHERS, _UNKNOWN = "all others", "not in the catalogue"


@dataclass(frozen=True)
class Segment:
    """A part of the ads, or of their users.

    Attributes:
        kind: `shoppers`, `category` or `language`.
        name: which of these.
        arms: figures by arm; their p-values are of one look at this part alone.
        q_values: by arm, the same held against all parts that are looked at (Benjamini and
            Hochberg), by clicks and by every metric together: of the lifts with a value below
            0.05, 5 % or fewer are expected to be none.
        metrics: figures by metric and arm; without those that cannot be told by this kind.
        metric_q_values: their q-values, of that same family.
    """

    kind: str
    name: str
    arms: dict[str, ArmFigures]
    q_values: dict[str, float]
    metrics: dict[str, dict[str, MetricFigures]]
    metric_q_values: dict[str, dict[str, float]]

    @property
    def lifts(self) -> Iterator[tuple[str | None, str, LiftFigures]]:
        """Metric (None: clicks an ad), arm, and figures of each."""
        for arm, figures in self.arms.items():
            yield None, arm, figures
        for metric, arms in self.metrics.items():
            for arm, of_metric in arms.items():
                yield metric, arm, of_metric

    def q_value(self, metric: str | None, arm: str) -> float | None:
        """Of one of `lifts`; None where it was not tested."""
        return (self.q_values if metric is None else self.metric_q_values[metric]).get(arm)


@dataclass(frozen=True)
class _Kind:
    """How a kind tells users, or products, apart.

    Attributes:
        names: of its parts, the largest first.
        of: int64, the part of each user or product; -1 = of none.
    """

    names: list[str]
    of: NDArray[np.int64]


def by_segment(
    outcomes: Outcomes,
    countable: Countable,
    *,
    returning: NDArray[np.bool_],
    products: Products,
) -> list[Segment]:
    """Every segment with ads, the largest of a kind first; more than 12 of a kind are merged.

    A kind of which there is but one is left out: it is the whole experiment. Metrics are of users:
    new and returning ones are users by themselves, and a user's language is that of the first ad,
    which was for a product before an arm could change anything. By category, a metric counts the
    ads, clicks and outcomes of its products alone, over all users of the arm.

    Args:
        outcomes: with closed windows alone.
        countable: what the metrics are counted from: all windows, users numbered alike.
        returning: shape (users,), whether a user was there before the experiment.
        products: what is known of the products that ads were for, and outcomes of.
    """
    if not len(outcomes):
        return []
    experiment, done = countable.experiment, countable.done
    # What was bought need not have been in an ad: such products are numbered after the others.
    numbered = pd.Index(outcomes.items, dtype=object).append(
        pd.Index(sorted({*done.item} - {*outcomes.items, ""}), dtype=object)
    )
    known = products(tuple(numbered))
    found = [known.get(item) for item in numbered]
    old = np.where(returning, RETURNING, NEW)
    languages = [product.language if product else _UNKNOWN for product in found]
    shoppers = _kind(old.tolist(), outcomes.user)
    category = _kind([_shelf(product) for product in found], outcomes.item)
    language = _kind(languages, outcomes.item)
    sums = {name: countable.sums(metric) for name, metric in experiment.metrics.items()}
    bought = numbered.get_indexer(pd.Index(done.item, dtype=object))
    placed = {
        name: metric
        for name, metric in experiment.metrics.items()
        if not without_product(done, metric)
    }

    def of_category(part: int) -> dict[str, UserSums]:
        ads = category.of[countable.outcomes.item] == part
        mine = (category.of[bought] == part) & (bought >= 0)
        return {name: countable.sums(m, ads=ads, done=mine) for name, m in placed.items()}

    def of_users(kind: _Kind, which: str, part: int) -> dict[str, UserSums]:
        return {
            name: each.where(kind.of[getattr(each, which)] == part) for name, each in sums.items()
        }

    kinds: dict[str, tuple[_Kind, NDArray[np.int64], Callable[[int], dict[str, UserSums]]]] = {
        "shoppers": (shoppers, outcomes.user, partial(of_users, shoppers, "user")),
        "category": (category, outcomes.item, of_category),
        "language": (language, outcomes.item, partial(of_users, language, "first_item")),
    }
    segments = [
        Segment(
            kind,
            name,
            arm_figures(outcomes.where(parts.of[of_each] == n), experiment),
            {},
            _metrics(sums_of(n), experiment),
            {},
        )
        for kind, (parts, of_each, sums_of) in kinds.items()
        if len(parts.names) > 1
        for n, name in enumerate(parts.names)
    ]
    return _held_against_each_other(segments)


def without_product(done: Happened, metric: Metric) -> int:
    """How many of a metric's outcomes say no product: with any, it is told by no category."""
    return int(((done.name == metric.event) & (done.item == "")).sum())


def _metrics(
    sums: Mapping[str, UserSums], experiment: Experiment
) -> dict[str, dict[str, MetricFigures]]:
    arms = tuple(experiment.arms)
    return {
        name: metric_figures(
            metric_arms(each, arms, experiment.metrics[name], experiment), experiment.control_arm
        )
        for name, each in sums.items()
    }


def _shelf(product: Product | None) -> str:
    """The first shelf of the path: deeper ones hold too few ads to tell anything."""
    if product is None:
        return _UNKNOWN
    return product.category.split(">")[0].strip() or "no category"


def _kind(names: Sequence[str], of_each: NDArray[np.int64]) -> _Kind:
    """Told apart by ``names``, which ``of_each`` of the ads indexes."""
    distinct, number = np.unique(np.asarray(names, dtype=object), return_inverse=True)
    sizes = np.bincount(number[of_each], minlength=len(distinct))
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] > 0]
    kept = order if len(order) <= _MOST_OF_A_KIND else order[: _MOST_OF_A_KIND - 1]
    parts = [str(distinct[n]) for n in kept]
    part_of = np.full(len(distinct), -1)
    part_of[kept] = np.arange(len(kept))
    if len(kept) < len(order):
        part_of[order[len(kept) :]] = len(kept)
        parts.append(_OTHERS)
    return _Kind(parts, part_of[number])


def _held_against_each_other(segments: Sequence[Segment]) -> list[Segment]:
    """One family: clicks and metrics of all parts, of every arm beside the control."""
    tested = [
        (n, metric, arm, figures.p_value)
        for n, segment in enumerate(segments)
        for metric, arm, figures in segment.lifts
        if figures.p_value is not None
    ]
    q_values: list[dict[str, float]] = [{} for _ in segments]
    of_metrics: list[dict[str, dict[str, float]]] = [{m: {} for m in s.metrics} for s in segments]
    rates = false_discovery_rates(np.array([p for *_, p in tested]))
    for (n, metric, arm, _), q in zip(tested, rates.tolist(), strict=True):
        (q_values[n] if metric is None else of_metrics[n][metric])[arm] = q
    return [
        replace(segment, q_values=q, metric_q_values=of_metric)
        for segment, q, of_metric in zip(segments, q_values, of_metrics, strict=True)
    ]
