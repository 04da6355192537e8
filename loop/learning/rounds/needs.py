"""Which ads rounds still need: those of a round under way, and of the clicks of the next."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from adloom.loop.learning.rounds.kept import PLAN, outcomes, read, unfinished_round
from adloom.loop.learning.rounds.plan import RoundPlan


def needed_ads(folder: Path) -> frozenset[str]:
    """Ads of the round that was planned and is not over, under the folder of all rounds."""
    kept = unfinished_round(folder)
    plan = None if kept is None else read(kept / PLAN, RoundPlan)
    if plan is None:
        return frozenset()
    clicks = plan.clicks
    paired = [ad for pair in clicks.pairs for ad in pair]
    ads = [*clicks.train, *clicks.replay, *paired, *clicks.heldout, *clicks.left]
    return frozenset(ad.ad_id for ad in ads)


def learned_until(folder: Path) -> datetime | None:
    """What was shown since then is the next round's; None where there was no round."""
    return max((outcome.until for outcome in outcomes(folder)), default=None)
