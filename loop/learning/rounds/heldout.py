"""What a round does not train on, in order of time: clicks to choose by, then clicks to judge by.

Beside the clicks to judge by stand the ads that the same shoppers were shown meanwhile and left.
Whether an ad was left is not waited for until its window closes, which may take a day: it is
once it has been unclicked for as long as nearly all clicks take, and clicks that took longer are
held against nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from adloom.loop.learning.training_set import ClickedAd, ShownAd

_NEARLY_ALL = 0.95


def divided(
    heldout: Sequence[ClickedAd], choose_share: float
) -> tuple[tuple[ClickedAd, ...], tuple[ClickedAd, ...]]:
    """The clicks that choose and those that judge; a single one judges."""
    wanted = max(1, round(choose_share * len(heldout))) if choose_share else 0
    chosen = max(0, min(wanted, len(heldout) - 1))
    return tuple(heldout[:chosen]), tuple(heldout[chosen:])


@dataclass(frozen=True)
class Answers:
    """How long nearly all clicks take, and so which showings are answered by now.

    Attributes:
        within: so long after its showing a click counts.
        until: ads shown later may yet be clicked in that time.
    """

    within: timedelta
    until: datetime

    @classmethod
    def of(cls, clicked: Sequence[ClickedAd], until: datetime) -> Answers:
        """From all clicks that are known at a moment; at least one."""
        waits = [(click.clicked_at - click.shown_at).total_seconds() for click in clicked]
        within = timedelta(seconds=float(np.quantile(waits, _NEARLY_ALL, method="higher")))
        return cls(within, until - within)

    def count(self, click: ClickedAd) -> bool:
        """Whether a click is held against what was left."""
        return click.shown_at <= self.until and click.clicked_at - click.shown_at <= self.within


def left_beside(
    judge: Sequence[ClickedAd], left: Sequence[ShownAd], answers: Answers, most: int
) -> tuple[ShownAd, ...]:
    """The ads that shoppers left while others were judged, in their order.

    From the first judged showing on: what was left before was shown by another shop, and held
    against later clicks it would tell one time from another instead of click from no click.

    Args:
        judge: clicks to judge by.
        left: showings without a click so far, oldest first.
        answers: which of them are answered.
        most: for each of a shopper's clicks; spread evenly over all that the shopper left.
    """
    clicks = Counter(click.user_id for click in judge if answers.count(click))
    since = min((click.shown_at for click in judge), default=answers.until)
    of_each: dict[str, list[ShownAd]] = {}
    for ad in left:
        if ad.user_id in clicks and since <= ad.shown_at <= answers.until:
            of_each.setdefault(ad.user_id, []).append(ad)
    kept: set[ShownAd] = set()
    for user, ads in of_each.items():
        places = (
            np.linspace(0, len(ads) - 1, min(len(ads), most * clicks[user])).round().astype(int)
        )
        kept.update(ads[place] for place in places)
    return tuple(ad for ad in left if ad in kept)
