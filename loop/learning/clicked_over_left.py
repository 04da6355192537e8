"""What a click says beyond the showing: the ads a shopper clicked against those the same one left.

All of them were shown, so whatever made an ad be shown (the champion's own habits, the shop's
choice) is on both sides. A version that has learnt what shoppers want finds the clicked ones
likelier; one that has only sharpened the champion's habits finds all of them likelier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from adloom.loop.learning.by_shopper import weighted_mean
from adloom.loop.learning.judgement import Finding, answered

CLICK_LOG_RATIO, CLICK_AUC = "click_log_ratio", "click_auc"
Scores = NDArray[np.float64]
_Contrast = Callable[[Scores, Scores], float]


@dataclass(frozen=True)
class Contrasts:
    """Shoppers with both clicked and left ads, and where these stand among all that were judged.

    A shopper weighs ``clicked * left / (clicked + left)``, the information of such a contrast.
    """

    shoppers: tuple[str, ...]
    clicked: tuple[NDArray[np.int64], ...]
    left: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, shoppers: Sequence[str], clicked: Sequence[bool]) -> Contrasts:
        """Of showings by their shopper and whether they were clicked, sequences of one length."""
        names, was_clicked = np.asarray(shoppers, dtype=str), np.asarray(clicked, dtype=bool)
        both = sorted(set(names[was_clicked]) & set(names[~was_clicked]))
        return cls(
            tuple(map(str, both)),
            tuple(np.flatnonzero((names == name) & was_clicked) for name in both),
            tuple(np.flatnonzero((names == name) & ~was_clicked) for name in both),
        )

    def by_shopper(self, scores: Scores, contrast: _Contrast) -> NDArray[np.float64]:
        """The contrast of each shopper's clicked and left scores, shape ``(shoppers,)``."""
        pairs = zip(self.clicked, self.left, strict=True)
        return np.array([contrast(scores[one], scores[other]) for one, other in pairs])

    @property
    def weights(self) -> NDArray[np.float64]:
        """Of each shopper, shape ``(shoppers,)``."""
        sizes = [(len(one), len(other)) for one, other in zip(self.clicked, self.left, strict=True)]
        return np.array([one * other / (one + other) for one, other in sizes])


def click_findings(
    contrasts: Contrasts, champion: Scores, challenger: Scores, confidence: float
) -> tuple[Finding, Finding]:
    """How much likelier than the left ads each version finds the clicked ones, by shopper.

    ``click_log_ratio``: the mean log-likelihood of a shopper's clicked ads less that of the left
    ones, nats a token; the difference of two versions is the log of a ratio of likelihood ratios.
    ``click_auc``: how often a clicked ad is likelier than a left one.

    Args:
        contrasts: whose ads are held against whose.
        champion: log-likelihood of each ad under the champion, shape ``(showings,)``.
        challenger: the same under the new version.
        confidence: of the intervals, 0..1.
    """

    def finding(name: str, contrast: _Contrast) -> Finding:
        weights, shoppers = contrasts.weights, contrasts.shoppers
        old, new = (contrasts.by_shopper(scores, contrast) for scores in (champion, challenger))
        gain = weighted_mean(new - old, shoppers, confidence, weights)
        return Finding(
            name=name,
            champion=weighted_mean(old, shoppers, confidence, weights).mean,
            challenger=weighted_mean(new, shoppers, confidence, weights).mean,
            difference=gain.mean,
            low=gain.low,
            high=gain.high,
            answer=answered(gain.low, gain.high),
        )

    return finding(CLICK_LOG_RATIO, _mean_difference), finding(CLICK_AUC, _auc)


def _mean_difference(clicked: Scores, left: Scores) -> float:
    return float(clicked.mean() - left.mean())


def _auc(clicked: Scores, left: Scores) -> float:
    return float(mannwhitneyu(clicked, left, method="asymptotic").statistic) / (
        len(clicked) * len(left)
    )
