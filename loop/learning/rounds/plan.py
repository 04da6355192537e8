"""What a training round learns from, fixed at its start and read again when it is resumed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import pandas as pd
from pydantic import BaseModel, ConfigDict

from adloom.loop.learning.training_set import ClickedAd, ShownAd, clicked_ads, unclicked_ads
from adloom.loop.settings.learning import RoundSettings


class NotEnoughClicks(RuntimeError):
    """Too few clicked ads came in since the last round."""


class RoundClicks(BaseModel):
    """The clicks of a round.

    Attributes:
        train: clicked ads since the last round, oldest first; all where those are few.
        replay: clicked ads from before, mixed in against forgetting.
        pairs: ads of ``train``, each with an ad that its shopper, or a shopper of its product,
            was shown and left.
        heldout: the newest clicked ads, never trained on.
    """

    model_config = ConfigDict(frozen=True)

    train: tuple[ClickedAd, ...]
    replay: tuple[ClickedAd, ...]
    pairs: tuple[tuple[ClickedAd, ShownAd], ...]
    heldout: tuple[ClickedAd, ...]


Offsets = dict[str, dict[int, tuple[int, int]]]
"""First and last offset by topic and partition."""


class RoundPlan(BaseModel):
    """A round: its number, MLflow run, the version it starts from, and its clicks.

    ``offsets`` are those of the events that were known.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    run_id: str
    parent: int
    until: datetime
    offsets: Offsets
    clicks: RoundClicks


def offsets_of(events: pd.DataFrame) -> Offsets:
    """Where in the stream the events came from; those that came from none are left out."""
    placed = events[events["topic"] != ""]
    ends = placed.groupby(["topic", "partition"])["offset"].agg(["min", "max"])
    found: Offsets = {}
    for (topic, partition), first, last in ends.itertuples(name=None):
        found.setdefault(str(topic), {})[int(partition)] = int(first), int(last)
    return found


def choose_clicks(
    events: pd.DataFrame,
    rounds: RoundSettings,
    *,
    since: datetime | None,
    until: datetime,
    force: bool = False,
) -> RoundClicks:
    """Choose from the log what the next round learns from.

    Args:
        events: columns of ``FeatureStore.log.read``.
        rounds: bounds.
        since: end of the last round, if there was one.
        until: events from then on are as if they had not happened.
        force: take what there is, however little is new.

    Raises:
        NotEnoughClicks: fewer than ``rounds.min_clicks`` are new, or fewer than two in all.
    """
    attribution = timedelta(hours=rounds.attribution_hours)
    clicked = clicked_ads(events, attribution=attribution, until=until)
    new = len(_since(clicked, since))
    if len(clicked) < 2 or (new < rounds.min_clicks and not force):
        raise NotEnoughClicks(
            f"{new} clicked ads since the last round, rounds.min_clicks is "
            f"{rounds.min_clicks}: wait for more clicks, or use --force"
        )
    newest = clicked[-rounds.max_examples :]
    # Of the new ones, or a round with few of them would hold them all out.
    of = new if new >= rounds.min_clicks else len(newest)
    heldout = max(1, min(rounds.max_heldout, round(min(of, len(newest)) * rounds.heldout_share)))
    known, later = newest[:-heldout], newest[-heldout:]
    fresh = _since(known, since)
    train = fresh if len(fresh) >= rounds.min_clicks else known
    before = known[: len(known) - len(train)]
    unclicked = unclicked_ads(events, attribution=attribution, until=until)
    return RoundClicks(
        train=tuple(train),
        replay=tuple(before[max(0, len(before) - rounds.max_replay) :]),
        pairs=tuple(preference_pairs(train[-rounds.max_pairs :], unclicked))
        if rounds.max_pairs
        else (),
        heldout=tuple(later),
    )


def new_clicks(
    events: pd.DataFrame, rounds: RoundSettings, *, since: datetime | None, until: datetime
) -> int:
    """How many ads were clicked since the last round; arguments as for `choose_clicks`."""
    attribution = timedelta(hours=rounds.attribution_hours)
    return len(_since(clicked_ads(events, attribution=attribution, until=until), since))


def _since(clicked: Sequence[ClickedAd], since: datetime | None) -> list[ClickedAd]:
    return [click for click in clicked if since is None or click.clicked_at >= since]


def preference_pairs(
    clicked: Sequence[ClickedAd], unclicked: Sequence[ShownAd]
) -> Iterable[tuple[ClickedAd, ShownAd]]:
    """Each clicked ad with the unclicked one shown nearest to it in time.

    One of the same shopper is better, one of the same product will do; a clicked ad that has
    neither makes no pair. An unclicked ad may be in several.
    """
    by_user: dict[str, list[ShownAd]] = {}
    by_item: dict[str, list[ShownAd]] = {}
    for ad in unclicked:
        by_user.setdefault(ad.user_id, []).append(ad)
        by_item.setdefault(ad.item_id, []).append(ad)
    for click in clicked:
        others = by_user.get(click.user_id) or by_item.get(click.item_id) or []
        others = [ad for ad in others if ad.ad_id != click.ad_id]
        if others:
            yield click, min(others, key=lambda ad: abs(ad.shown_at - click.shown_at))
