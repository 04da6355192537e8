"""The gate: what a new version has to show before it may challenge the champion.

What decides is what a click says beyond the showing: for the same shopper, the clicked ads against
those that were left (`adloom.loop.learning.clicked_over_left`). A version passes when the clicks
tell that it is better at this, and nothing tells that it is worse at what users would notice:
clicked ads (loss), the looks of what it draws for them (PBS of Uni-AdGen section 4.1), titles that
do not say what is sold, sameness, slowness. Every difference has an interval, by shopper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from adloom.loop.learning.by_shopper import Spread, weighted_mean
from adloom.loop.learning.clicked_over_left import click_findings
from adloom.loop.learning.clicks_of import clicks_of
from adloom.loop.learning.judgement import Answer, Finding, GateVerdict, answered
from adloom.loop.learning.trial import JudgedAds, Trial, TrialAd
from adloom.loop.settings.learning import GateSettings

_PAIRS = 2.0
"""A mean over pairs of ads varies with both of them: Hoeffding's projection of a U-statistic."""


def judged(
    ads: JudgedAds, champion: Trial, challenger: Trial, settings: GateSettings
) -> GateVerdict:
    """Hold the two trials of the same ads against each other."""
    compared = ads.compared
    clicks = click_findings(compared, champion.scores, challenger.scores, settings.confidence)
    findings: tuple[Finding, ...] = (*clicks, _loss(ads, champion, challenger, settings))
    if champion.ads and challenger.ads:
        findings = (*findings, *_Drawn(champion, challenger, settings).findings())
    answers = [finding.answer for finding in findings]
    answer: Answer = "worse" if "worse" in answers else clicks[0].answer
    return GateVerdict(
        answer=answer,
        findings=findings,
        clicks=sum(len(places) for places in compared.clicked),
        shoppers=len(compared.shoppers),
        confidence=settings.confidence,
    )


def _loss(ads: JudgedAds, champion: Trial, challenger: Trial, settings: GateSettings) -> Finding:
    clicked = len(ads.clicked)
    higher = champion.scores[:clicked] - challenger.scores[:clicked]
    difference = weighted_mean(higher, ads.clicked_by, settings.confidence, ads.weights)
    gain = settings.min_loss_gain
    return Finding(
        name="heldout_loss",
        champion=champion.figures.heldout_loss,
        challenger=challenger.figures.heldout_loss,
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
        answer=answered(-difference.high - gain, -difference.low - gain),
    )


@dataclass(frozen=True)
class _Drawn:
    """What both drew for the same clicks with the same seeds."""

    champion: Trial
    challenger: Trial
    settings: GateSettings

    def findings(self) -> tuple[Finding, ...]:
        settings = self.settings
        similar = self._paired(lambda ad: ad.pbs)
        spread = self._paired(lambda ad: ad.spread, pairs=_PAIRS)
        alike = self._paired(lambda ad: ad.spread, allowed=settings.min_diversity, pairs=_PAIRS)
        steps = self._paired(lambda ad: float(ad.steps))
        slow = self._paired(lambda ad: float(ad.steps), allowed=settings.max_slowdown)
        invalid = self._paired(lambda ad: float(not ad.valid_title))
        return (
            self._finding("pbs", similar, answered(similar.low, similar.high)),
            self._finding("invalid_titles", invalid, self._of_titles(invalid)),
            self._finding("diversity", spread, _allowed(spread.low > 0, alike.high < 0)),
            self._finding("steps_an_ad", steps, _allowed(steps.high < 0, slow.low > 0)),
        )

    def _paired(
        self, figure: Callable[[TrialAd], float], *, allowed: float = 1.0, pairs: float = 1.0
    ) -> Spread:
        """The new version's mean figure less ``allowed`` times the champion's.

        ``pairs`` is how much further the interval reaches than that of a mean over ads.
        """
        old, new = (
            np.array([figure(ad) for ad in trial.ads]) for trial in (self.champion, self.challenger)
        )
        shoppers = [ad.shopper for ad in self.champion.ads]
        found = weighted_mean(new - allowed * old, shoppers, self.settings.confidence)
        reach = pairs * (found.high - found.mean)
        return Spread(found.mean, found.mean - reach, found.mean + reach)

    def _of_titles(self, difference: Spread) -> Answer:
        """An interval around a share that is mostly 0 says little: its test is exact."""
        old, new = self.champion.figures.invalid_titles, self.challenger.figures.invalid_titles
        most = max(self.settings.max_invalid_titles, old)
        drawn = len(self.challenger.ads)
        more = binomtest(round(new * drawn), drawn, most, alternative="greater").pvalue
        return _allowed(difference.high < 0, bool(more < 1 - self.settings.confidence))

    def _finding(self, name: str, difference: Spread, answer: Answer) -> Finding:
        return Finding(
            name=name,
            champion=getattr(self.champion.figures, name),
            challenger=getattr(self.challenger.figures, name),
            difference=difference.mean,
            low=difference.low,
            high=difference.high,
            answer=answer,
        )


def _allowed(better: bool, worse: bool) -> Answer:
    if worse:
        return "worse"
    return "better" if better else "cannot_tell"


_WORSE = {
    "click_log_ratio": "clicked ads stand out less from those left: {challenger:.3f} nats a "
    "token, {champion:.3f} for the champion",
    "click_auc": "clicked ads are told from those left less often: AUC {challenger:.3f}, the "
    "champion's is {champion:.3f}",
    "heldout_loss": "held-out loss {challenger:.3f}, the champion's is {champion:.3f}",
    "pbs": "PBS {challenger:.3f}, the champion's is {champion:.3f}",
    "invalid_titles": "{challenger:.0%} of its titles are invalid",
    "diversity": "its scenes are alike: spread {challenger:.2f}, the champion's is {champion:.2f}",
    "steps_an_ad": "it is slow: {challenger:.0f} steps an ad, the champion takes {champion:.0f}",
}


def objections(verdict: GateVerdict) -> tuple[str, ...]:
    """Why a version does not pass; empty where it does."""
    if verdict.answer == "better":
        return ()
    worse = [finding for finding in verdict.findings if finding.answer == "worse"]
    return tuple(_worse(finding) for finding in worse) or (_untold(verdict),)


def _worse(finding: Finding) -> str:
    told = _WORSE[finding.name].format(**finding.model_dump())
    return f"{told} (difference {finding.low:+.3f} to {finding.high:+.3f})"


def _untold(verdict: GateVerdict) -> str:
    """What the clicks cannot tell yet, and how many could."""
    deciding = verdict.findings[0]
    if not verdict.shoppers:
        return "the clicks cannot tell: no judged shopper has both clicked and left an ad"
    told = (
        f"{clicks_of(verdict.clicks, verdict.shoppers)} cannot tell whether it is better: "
        f"{deciding.difference:+.3f} nats a token "
    )
    if not (np.isfinite(deciding.low) and np.isfinite(deciding.high)):
        return f"{told}(too little to tell how far that may be off)"
    told += f"({deciding.low:+.3f} to {deciding.high:+.3f})"
    needed = _clicks_to_tell(verdict.clicks, deciding)
    return told if needed is None else f"{told}; about {needed} would tell a gain of this size"


def _clicks_to_tell(clicks: int, finding: Finding) -> int | None:
    """How many clicks would tell a gain of this size in four of five rounds; None for no gain."""
    reach = (finding.high - finding.low) / 2
    if not finding.difference > 0 or not np.isfinite(reach):
        return None
    return int(np.ceil(_FOUR_OF_FIVE * clicks * (reach / finding.difference) ** 2))


_FOUR_OF_FIVE = 2.0
"""((1.96 + 0.84) / 1.96)²: the reach is 1.96 errors, and a gain of 2.8 is found with power 0.8."""
