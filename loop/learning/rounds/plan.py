"""What a training round learns from, fixed at its start and read again when it is resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, model_validator

from adloom.loop.learning.labels import label_exposures, unshown_clicks
from adloom.loop.learning.positions import examination_by_position
from adloom.loop.learning.rounds.heldout import Answers, divided, left_beside
from adloom.loop.learning.rounds.kept import RoundHead
from adloom.loop.learning.shares import fair, fair_pairs, newest_of_many
from adloom.loop.learning.training_set import (
    ClickedAd,
    ShownAd,
    clicked_ads,
    clicked_among,
    left_among,
    never_clicked,
)
from adloom.loop.settings.learning import RoundSettings

_FEWEST = 2
"""Clicked ads of a round: one is learned from, one held out."""
_CHOOSE_SHARE_OF_BEFORE = 0.25


class NotEnoughClicks(RuntimeError):
    """Too few clicked ads came in since the last round."""


class RoundClicks(BaseModel):
    """The clicks of a round: those to train on, then those that choose, then those that judge.

    Attributes:
        train: clicked ads since the last round, oldest first; all where those are few.
        replay: clicked ads from before, mixed in against forgetting.
        pairs: ads of ``train``, each with an ad that its shopper, or a shopper of its product,
            was shown and left.
        choose: newer clicked ads, never trained on, that choose the best step.
        judge: the newest clicked ads, which the gate alone reads.
        left: ads that shoppers of ``judge`` were shown meanwhile and left.
        late: clicks of ``judge`` that are held against none of these: they took longer than
            nearly all (`adloom.loop.learning.rounds.heldout`), or others like them may yet come.
        beyond_share: clicks of that time that are left out, by the shoppers who have more than
            ``rounds.max_user_share``.
        unshown: new clicks on ads that their shopper was never shown, as far as adloom knows.
        examination: how likely each position on a page is looked at, 0..1, by what was shown and
            clicked in the time that was read; empty where no position is known.
    """

    model_config = ConfigDict(frozen=True)

    train: tuple[ClickedAd, ...]
    replay: tuple[ClickedAd, ...]
    pairs: tuple[tuple[ClickedAd, ShownAd], ...]
    choose: tuple[ClickedAd, ...]
    judge: tuple[ClickedAd, ...]
    left: tuple[ShownAd, ...] = ()
    late: tuple[ClickedAd, ...] = ()
    beyond_share: dict[str, int] = {}
    unshown: int = 0
    examination: dict[int, float] = {}

    @property
    def heldout(self) -> tuple[ClickedAd, ...]:
        """All that is not trained on, oldest first."""
        return *self.choose, *self.judge

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, told: Any) -> Any:
        """Plans of earlier releases have one set for both, and nothing that was left."""
        if isinstance(told, dict) and "heldout" in told:
            told = dict(told)
            heldout = tuple(told.pop("heldout"))
            choose, judge = divided(heldout, _CHOOSE_SHARE_OF_BEFORE)
            return {"choose": choose, "judge": judge, **told}
        return told


Offsets = dict[str, dict[int, tuple[int, int]]]
"""First and last offset by topic and partition."""


class RoundPlan(RoundHead):
    """A round: its number, MLflow run, the version it starts from, and its clicks.

    ``offsets`` are those of the events that it was planned by.
    """

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
    read_since: datetime | None = None,
    force: bool = False,
) -> RoundClicks:
    """Choose from the log what the next round learns from.

    Args:
        events: columns of ``FeatureStore.log.read``.
        rounds: bounds.
        since: end of the last round, if there was one.
        until: events from then on are as if they had not happened.
        read_since: the events are those from then on; of a click up to an attribution window
            later it is not said whether its ad was shown. None = they are all.
        force: take what there is, however little is new, if anything is.

    Raises:
        NotEnoughClicks: fewer than ``rounds.min_clicks`` are new, none is, or fewer than two are
            there in all.
    """
    attribution, share = timedelta(hours=rounds.attribution_hours), rounds.max_user_share
    told_from = None if read_since is None else read_since + attribution
    counted = [moment for moment in (since, told_from) if moment is not None]
    told_since = max(counted, default=None)
    shown = label_exposures(events, attribution=attribution, until=until)
    clicked = clicked_among(shown)
    newest = fair(clicked, share, newest=rounds.max_examples)
    fresh = fair(_since(clicked, since), share, newest=rounds.max_examples)
    if since is not None and not fresh and len(newest) >= _FEWEST:
        raise NotEnoughClicks(
            f"no ad was clicked since the last round, which learnt from the clicks before "
            f"{since:%Y-%m-%d %H:%M} UTC: there is nothing new to learn from"
        )
    if len(newest) < _FEWEST or (len(fresh) < rounds.min_clicks and not force):
        of_now = len(_since(clicked, since))
        unshown = unshown_clicks(events, since=told_since, until=until)
        raise NotEnoughClicks(_too_few(len(fresh), of_now, len(newest), rounds, unshown))
    # Of the new ones, or a round with few of them would hold them all out.
    of = fresh if len(fresh) >= rounds.min_clicks else newest
    wanted = max(1, min(rounds.max_heldout, round(len(of) * rounds.heldout_share)))
    heldout = newest_of_many(of, wanted, share)
    place = {click: number for number, click in enumerate(clicked)}

    def earlier(clicks: Sequence[ClickedAd], than: ClickedAd) -> list[ClickedAd]:
        return [click for click in clicks if place[click] < place[than]]

    known, fresh = earlier(newest, heldout[0]), earlier(fresh, heldout[0])
    train = fair(fresh if len(fresh) >= rounds.min_clicks else known, share)
    used = {*train, *heldout}
    left_out = [click for click in clicked[place[train[0]] :] if click not in used]
    paired = train[max(0, len(train) - rounds.max_pairs) :]
    choose, judge = divided(heldout, rounds.choose_share)
    left, answers = left_among(shown), Answers.of(clicked, until)
    beside = left_beside(judge, left, answers, rounds.max_left)
    judged = set(beside)
    unclicked = never_clicked(
        [ad for ad in left if ad not in judged], attribution=attribution, until=until
    )
    return RoundClicks(
        train=tuple(train),
        replay=tuple(fair(earlier(known, train[0]), share, newest=rounds.max_replay)),
        pairs=tuple(fair_pairs(list(preference_pairs(paired, unclicked)), share)),
        choose=choose,
        judge=judge,
        left=beside,
        late=tuple(click for click in judge if not answers.count(click)),
        beyond_share=dict(Counter(click.user_id for click in left_out).most_common()),
        unshown=unshown_clicks(events, since=told_since, until=until),
        examination=examination_by_position(shown),
    )


def new_clicks(
    events: pd.DataFrame, rounds: RoundSettings, *, since: datetime | None, until: datetime
) -> int:
    """How many ads were clicked since the last round; arguments as for `choose_clicks`.

    Those that a shopper clicked beyond ``rounds.max_user_share`` do not count.
    """
    attribution = timedelta(hours=rounds.attribution_hours)
    clicked = _since(clicked_ads(events, attribution=attribution, until=until), since)
    return len(fair(clicked, rounds.max_user_share, newest=rounds.max_examples))


def _too_few(counted: int, clicked: int, known: int, rounds: RoundSettings, unshown: int) -> str:
    told = f"{counted} clicked ads since the last round"
    if clicked > counted:
        told += f" ({clicked - counted} more are beyond rounds.max_user_share of a shopper)"
    if unshown:
        clicks = "1 click is on an ad" if unshown == 1 else f"{unshown} clicks are on ads"
        told += f" ({clicks} that adloom does not know as shown to their shopper before)"
    told += f", rounds.min_clicks is {rounds.min_clicks}"
    if known >= _FEWEST:
        return f"{told}: wait for more clicks, or use --force"
    return (
        f"{told}, and no round learns from fewer than {_FEWEST}: serve ads, and send "
        "the clicks on them with their ad_id"
    )


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
