"""What a round learns from: new clicks, older ones, what was left, and what is held out."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from adloom.loop.learning.labels import label_exposures
from adloom.loop.learning.rounds.plan import NotEnoughClicks, choose_clicks, preference_pairs
from adloom.loop.learning.training_set import ClickedAd, ShownAd, left_among, never_clicked
from adloom.loop.settings.learning import RoundSettings
from tests.loop.learning.test_training_set import DAY, NOON, events

ROUNDS = RoundSettings(min_clicks=4, heldout_share=0.25, attribution_hours=1.0)


def clicks_of_a_day(n: int) -> pd.DataFrame:
    """Every ten minutes an ad is shown to a shopper and clicked, another is shown and left."""
    rows = []
    for i in range(n):
        user = "ann" if i % 2 else "bob"
        rows += [
            ("exposure", 10.0 * i, user, f"clicked-{i}"),
            ("click", 10.0 * i + 1, user, f"clicked-{i}"),
            ("exposure", 10.0 * i + 2, user, f"left-{i}"),
        ]
    return events(*rows)


def test_an_unclicked_ad_is_one_whose_window_has_closed() -> None:
    log = events(
        ("exposure", 0, "ann", "a"), ("exposure", 30, "ann", "b"), ("click", 31, "ann", "b")
    )
    hour = timedelta(hours=1)

    def unclicked(until: datetime) -> list[ShownAd]:
        left = left_among(label_exposures(log, attribution=hour, until=until))
        return never_clicked(left, attribution=hour, until=until)

    assert unclicked(NOON + hour) == []
    later = unclicked(NOON + hour + timedelta(minutes=1))
    assert [ad.ad_id for ad in later] == ["a"]


def test_the_first_round_takes_all_but_the_newest_clicks() -> None:
    chosen = choose_clicks(clicks_of_a_day(16), ROUNDS, since=None, until=NOON + DAY)
    assert [c.ad_id for c in chosen.train] == [f"clicked-{i}" for i in range(12)]
    assert chosen.replay == ()
    assert [c.ad_id for c in chosen.heldout] == [f"clicked-{i}" for i in range(12, 16)]
    assert [(c.ad_id, left.ad_id) for c, left in chosen.pairs] == [
        (f"clicked-{i}", f"left-{i}") for i in range(12)
    ]


def test_later_rounds_learn_from_new_clicks_and_replay_the_old() -> None:
    since = NOON + timedelta(minutes=60)
    chosen = choose_clicks(clicks_of_a_day(16), ROUNDS, since=since, until=NOON + DAY)
    assert [c.ad_id for c in chosen.replay] == [f"clicked-{i}" for i in range(6)]
    assert [c.ad_id for c in chosen.train] == [f"clicked-{i}" for i in range(6, 14)]
    assert len(chosen.heldout) == 2  # a quarter of the ten new ones, not of all


def test_of_the_old_clicks_only_the_newest_are_replayed() -> None:
    few = ROUNDS.model_copy(update={"max_replay": 2})
    since = NOON + timedelta(minutes=60)
    chosen = choose_clicks(clicks_of_a_day(16), few, since=since, until=NOON + DAY)
    assert [c.ad_id for c in chosen.replay] == ["clicked-4", "clicked-5"]


def test_where_little_is_new_all_is_learnt_from_again() -> None:
    since = NOON + timedelta(minutes=110)
    more = ROUNDS.model_copy(update={"min_clicks": 6})
    with pytest.raises(NotEnoughClicks, match="5 clicked ads"):
        choose_clicks(clicks_of_a_day(16), more, since=since, until=NOON + DAY)
    chosen = choose_clicks(clicks_of_a_day(16), more, since=since, until=NOON + DAY, force=True)
    assert len(chosen.train) == 12
    assert chosen.replay == ()


def test_a_pair_is_of_one_shopper_or_else_of_one_product() -> None:
    def shown(ad: str, user: str, item: str, minutes: float) -> ShownAd:
        return ShownAd(ad, user, item, NOON + timedelta(minutes=minutes))

    click = ClickedAd("c", "ann", "boot", NOON, NOON + timedelta(minutes=1))
    near, far = shown("near", "ann", "hat", 5), shown("far", "ann", "boot", 50)
    product, other = shown("product", "bob", "boot", 1), shown("other", "bob", "hat", 1)
    assert list(preference_pairs([click], [far, near, product, other])) == [(click, near)]
    assert list(preference_pairs([click], [product, other])) == [(click, product)]
    assert list(preference_pairs([click], [other])) == []


@pytest.mark.parametrize("force", [False, True])
def test_force_is_no_advice_where_it_would_not_help(force: bool) -> None:
    with pytest.raises(NotEnoughClicks, match=r"0 clicked ads .* send the clicks") as few:
        choose_clicks(clicks_of_a_day(0), ROUNDS, since=None, until=NOON, force=force)
    assert "--force" not in str(few.value)


def test_clicks_on_ads_that_nobody_was_shown_are_named_where_a_round_has_too_few() -> None:
    events = clicks_of_a_day(16)
    lost = events[events["kind"] == "click"]
    with pytest.raises(NotEnoughClicks, match=rf"0 clicked ads .*\({len(lost)} clicks are on ads"):
        choose_clicks(lost, ROUNDS, since=None, until=NOON + DAY)
    with pytest.raises(NotEnoughClicks) as known:
        choose_clicks(events, ROUNDS, since=NOON + DAY, until=NOON + DAY)
    assert "does not know" not in str(known.value)
