"""Train, choose and judge follow each other in time, and what was judged was never learnt."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from adloom.loop.learning.registry import UNDECIDED, AdRegistry
from adloom.loop.learning.rounds.heldout import Answers, divided, left_beside
from adloom.loop.learning.rounds.plan import RoundClicks, choose_clicks
from adloom.loop.learning.training_set import ClickedAd, ShownAd
from adloom.loop.settings import Settings, SettingsError, load_settings
from adloom.loop.settings.learning import MlflowSettings, RoundSettings
from tests.loop.learning.test_training_set import DAY, NOON, events
from tests.own_tracking import with_tables

ROUNDS = RoundSettings(min_clicks=4, heldout_share=0.5, choose_share=0.25, attribution_hours=24.0)


def log_of_a_day(clicks: int, left: int = 3) -> pd.DataFrame:
    """Two shoppers; every ten minutes one clicks an ad and leaves some."""
    rows = []
    for n in range(clicks):
        user, at = "ann" if n % 2 else "bob", 10.0 * n
        rows += [("exposure", at, user, f"clicked-{n}"), ("click", at + 1, user, f"clicked-{n}")]
        rows += [("exposure", at + 2 + m, user, f"left-{n}-{m}") for m in range(left)]
    return events(*rows)


def moments(shown: tuple[ClickedAd, ...]) -> list[datetime]:
    return [click.clicked_at for click in shown]


def test_the_three_sets_follow_each_other_in_time() -> None:
    chosen = choose_clicks(log_of_a_day(16), ROUNDS, since=None, until=NOON + DAY)
    assert [len(part) for part in (chosen.train, chosen.choose, chosen.judge)] == [8, 2, 6]
    assert max(moments(chosen.train)) < min(moments(chosen.choose))
    assert max(moments(chosen.choose)) < min(moments(chosen.judge))
    assert chosen.heldout == (*chosen.choose, *chosen.judge)


def test_what_was_left_is_judged_before_a_days_window_has_closed() -> None:
    until = NOON + timedelta(hours=3)
    chosen = choose_clicks(log_of_a_day(16), ROUNDS, since=None, until=until)
    assert {ad.ad_id for ad in chosen.left} == {
        f"left-{n}-{m}" for n in range(10, 16) for m in range(3)
    }
    assert chosen.late == ()


def test_no_pair_is_trained_on_what_is_judged() -> None:
    log = log_of_a_day(16)
    much_later = choose_clicks(log, ROUNDS, since=None, until=NOON + 3 * DAY)
    assert much_later.pairs
    assert {left for _, left in much_later.pairs}.isdisjoint(much_later.left)


def test_ads_shown_just_now_may_yet_be_clicked_and_are_not_judged() -> None:
    click = ClickedAd("a", "ann", "boot", NOON, NOON + timedelta(minutes=5))
    answers = Answers.of([click], NOON + timedelta(minutes=20))
    shown = [
        ShownAd(f"left-{at}", "ann", "boot", NOON + timedelta(minutes=at)) for at in (1, 14, 16)
    ]
    assert [ad.ad_id for ad in left_beside([click], shown, answers, 8)] == ["left-1", "left-14"]
    assert [ad.ad_id for ad in left_beside([click], shown, answers, 1)] == ["left-1"]
    assert not Answers.of([click], NOON + timedelta(minutes=4)).count(click)


def test_of_one_heldout_click_nothing_is_left_to_choose_by() -> None:
    click = ClickedAd("a", "ann", "boot", NOON, NOON)
    assert divided([click], 0.25) == ((), (click,))
    assert divided([click, click], 0.25) == ((click,), (click,))
    assert divided([click, click], 0.0) == ((), (click, click))


def test_a_plan_of_an_earlier_release_is_read() -> None:
    told = {"ad_id": "a", "user_id": "ann", "item_id": "boot"}
    told |= {"shown_at": NOON.isoformat(), "clicked_at": NOON.isoformat()}
    plan = {"train": [told], "replay": [], "pairs": [], "heldout": [told] * 8}
    read = RoundClicks.model_validate(plan)
    assert (len(read.choose), len(read.judge), read.left) == (2, 6, ())
    assert RoundClicks.model_validate_json(read.model_dump_json()) == read


def with_arm(weight: float, undecided: str, **more: str) -> Settings:
    arms = {"now": {"weight": 1 - weight}, "new": {"version": "@undecided", "weight": weight}}
    experiment = {"start": "2026-01-01T00:00:00Z", "arms": arms, **more}
    return load_settings(experiments={"few": experiment}, gate={"undecided": undecided})


def test_what_the_clicks_cannot_tell_is_never_for_everyone() -> None:
    arms = with_arm(0.05, "test").experiments["few"].arms
    assert arms["new"].version == UNDECIDED
    with pytest.raises(SettingsError, match=r"20% of the shoppers would have @undecided"):
        with_arm(0.2, "test")
    with pytest.raises(SettingsError, match="allocation must be fixed"):
        with_arm(0.05, "test", allocation="thompson")
    with pytest.raises(SettingsError, match=r'gate\.undecided = "test" alone'):
        with_arm(0.05, "wait")


def test_an_undecided_version_loses_the_name_when_it_is_promoted(tmp_path: Path) -> None:
    registry = AdRegistry(MlflowSettings(), with_tables(tmp_path / "mlflow"))
    registry.register_base({})
    registry.set_undecided(1)
    assert registry.version(1).aliases == ("champion", "undecided")
    assert registry.promote(1).aliases == ("champion",)
