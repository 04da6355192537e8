"""The judged clicks by what they have in common: all, a category, a language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adloom.loop.learning.by_shopper import weighted_mean
from adloom.loop.learning.cards.judgement import Compared, Group, Judgement, Measured
from adloom.loop.learning.judgement import GateVerdict
from adloom.loop.learning.trial import JudgedAds, Trial

_MOST_GROUPS = 20
_OTHERS, _UNKNOWN = "others", "not known"


def judgement_by_group(
    verdict: GateVerdict, ads: JudgedAds, champion: Trial, challenger: Trial
) -> Judgement:
    """The gate's verdict with what both versions made of each group of the judged clicks."""
    sides = champion, challenger
    groups = _groups(ads, sides, verdict.confidence) if ads.clicked else ()
    return Judgement(**dict(verdict), groups=tuple(groups))


def _groups(ads: JudgedAds, sides: tuple[Trial, Trial], confidence: float) -> Iterator[Group]:
    briefs = [example.brief for example in ads.clicked]
    everywhere = np.ones(len(briefs), dtype=bool)
    yield _group("all", "", everywhere, ads, sides, confidence)
    categories = _largest([brief.category for brief in briefs])
    languages = _largest([brief.language for brief in briefs])
    for by, names in (("category", categories), ("language", languages)):
        for name, _ in Counter(names).most_common():
            within = np.array([one == name for one in names])
            yield _group(by, name, within, ads, sides, confidence)  # type: ignore[arg-type]


def _largest(names: Sequence[str]) -> list[str]:
    """The names with the rarest in one group, where there are too many to read."""
    told = [name or _UNKNOWN for name in names]
    largest = {name for name, _ in Counter(told).most_common(_MOST_GROUPS)}
    return [name if name in largest else _OTHERS for name in told]


def _group(
    by: Literal["all", "category", "language"],
    name: str,
    within: NDArray[np.bool_],
    ads: JudgedAds,
    sides: tuple[Trial, Trial],
    confidence: float,
) -> Group:
    shoppers = [who for who, inside in zip(ads.clicked_by, within, strict=True) if inside]
    losses = [-side.scores[: len(within)][within] for side in sides]
    drawn = [[ad for ad in side.ads if within[ad.place]] for side in sides]
    pbs = [np.array([ad.pbs for ad in side]) for side in drawn]
    return Group(
        by=by,
        name=name,
        clicks=len(shoppers),
        shoppers=len(set(shoppers)),
        heldout_loss=_compared(losses[0], losses[1], shoppers, confidence, ads.weights[within]),
        pbs=_compared(pbs[0], pbs[1], [ad.shopper for ad in drawn[0]], confidence)
        if drawn[0]
        else None,
    )


def _compared(
    champion: NDArray[np.float64],
    challenger: NDArray[np.float64],
    shoppers: Sequence[str],
    confidence: float,
    weights: NDArray[np.float64] | None = None,
) -> Compared:
    def measured(values: NDArray[np.float64]) -> Measured:
        found = weighted_mean(values, shoppers, confidence, weights)
        return Measured(mean=found.mean, low=found.low, high=found.high)

    return Compared(
        n=len(shoppers),
        champion=measured(champion),
        challenger=measured(challenger),
        difference=measured(challenger - champion),
    )
