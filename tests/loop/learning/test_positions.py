"""Clicks weigh by how likely their positions were looked at, from the log to the lessons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.loop import home
from adloom.loop.learning.labels import label_exposures
from adloom.loop.learning.positions import click_weights, examination_by_position, left_weight
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.lessons import Lessons
from adloom.loop.learning.rounds.plan import RoundClicks, choose_clicks
from adloom.loop.learning.training_set import ClickedAd, ShownAd
from adloom.loop.settings.learning import RoundSettings
from tests.loop.learning.test_round_plan import ROUNDS, clicks_of_a_day
from tests.loop.learning.test_training_set import DAY, NOON, events
from tests.loop_parts import keep_shop_ads, tiny_settings, training_ground

SEEN = {0: 1.0, 1: 0.5, 2: 0.25, 3: 0.01}
known_positions = st.sampled_from(sorted(SEEN))


def page_log(n: int, attention: float = 0.4, *, seed: int = 0) -> pd.DataFrame:
    """Ten ads of a shop at random positions of pages of three, clicked where they are seen."""
    rng = np.random.default_rng(seed)
    rows, positions = [], []
    for number in range(n):
        position, ad, user = int(rng.integers(3)), f"ad-{rng.integers(10)}", f"user-{number % 40}"
        rows.append(("impression", 2.0 * number, user, ad))
        positions.append(position)
        if rng.random() < 0.3 * attention**position:
            rows.append(("click", 2.0 * number + 1, user, ad))
            positions.append(position)
    return events(*rows).assign(position=pd.array(positions, dtype="Int32"))


def examined(log: pd.DataFrame) -> dict[int, float]:
    return examination_by_position(label_exposures(log, attribution=timedelta(minutes=10)))


@given(st.lists(known_positions, min_size=1), st.floats(1, 50))
def test_weights_have_a_mean_of_1_and_differ_by_no_more_than_allowed(
    positions: list[int], most: float
) -> None:
    weights = click_weights(positions, SEEN, most)
    assert np.mean(weights) == pytest.approx(1)
    assert max(weights) <= most * min(weights) * (1 + 1e-9)
    by_position = dict(zip(positions, weights, strict=True))
    assert [by_position[at] for at in sorted(by_position)] == sorted(by_position.values())


@given(st.lists(st.one_of(st.none(), known_positions, st.just(9)), min_size=1))
def test_lessons_of_unknown_positions_weigh_1_and_leave_the_mean(
    positions: list[int | None],
) -> None:
    weights = click_weights(positions, SEEN, 10)
    assert np.mean(weights) == pytest.approx(1)
    assert all(w == 1 for w, at in zip(weights, positions, strict=True) if at in (None, 9))


def test_a_click_weighs_one_over_how_likely_it_was_looked_at() -> None:
    assert click_weights([0, 1, 2], SEEN, 10) == pytest.approx([3 / 7, 6 / 7, 12 / 7])
    assert click_weights([0, 3], SEEN, 10) == pytest.approx([2 / 11, 20 / 11])


@pytest.mark.parametrize("most", [None, 1.0])
def test_without_a_correction_all_weigh_1(most: float | None) -> None:
    assert click_weights([0, 3, None], SEEN, most) == [1.0] * 3
    assert left_weight(3, SEEN, most) == 1.0


def test_at_a_single_position_all_weigh_exactly_1() -> None:
    assert click_weights([2] * 7, {2: 0.3}, 10) == [1.0] * 7
    assert click_weights([], SEEN, 10) == []


def test_what_was_left_unseen_says_little() -> None:
    told = [left_weight(at, SEEN, 10) for at in (0, 2, 3, 9, None)]
    assert told == pytest.approx([1, 0.25, 0.1, 1, 1])


def test_the_log_tells_how_likely_each_position_is_looked_at() -> None:
    found = examined(page_log(6_000))
    assert list(found) == [0, 1, 2]
    assert list(found.values()) == pytest.approx([1, 0.4, 0.16], abs=0.06)


def test_showings_of_unknown_position_change_nothing() -> None:
    log = page_log(400)
    more = events(("impression", 5_000, "ann", "ad-1"), ("click", 5_001, "ann", "ad-1"))
    unknown = more.assign(position=pd.array([None, None], dtype="Int32"))
    assert examined(pd.concat([log, unknown])) == examined(log)


def test_clicks_that_answer_no_showing_count_nowhere() -> None:
    log = page_log(400)
    stray = events(("click", 9_000, "ann", "ad-1"), ("click", 9_001, "bob", "ad-2"))
    stray = stray.assign(position=pd.array([2, 77], dtype="Int32"))
    assert examined(pd.concat([log, stray])) == examined(log)


def test_a_click_counts_where_its_ad_was_shown_whatever_it_says_itself() -> None:
    log = page_log(400)
    clicks = log["kind"] == "click"
    assert examined(log.assign(position=log["position"].mask(clicks, 50))) == examined(log)


@pytest.mark.parametrize("column", [None, pd.NA])
def test_a_log_without_positions_plans_as_one_without_the_column(column: Any) -> None:
    log = clicks_of_a_day(16)
    plan = choose_clicks(log, ROUNDS, since=None, until=NOON + DAY)
    empty = log.assign(position=pd.array([column] * len(log), dtype="Int32"))
    assert choose_clicks(empty, ROUNDS, since=None, until=NOON + DAY) == plan
    assert plan.examination == {}
    assert {click.position for click in (*plan.train, *plan.heldout)} == {None}


def test_a_plan_keeps_positions_and_is_read_again() -> None:
    plan = choose_clicks(page_log(300), ROUNDS, since=None, until=NOON + DAY)
    assert set(plan.examination) == {0, 1, 2}
    assert {type(click.position) for click in plan.train} == {int}
    assert {left.position for _, left in plan.pairs} <= {0, 1, 2}
    assert RoundClicks.model_validate_json(plan.model_dump_json()) == plan


def test_a_plan_of_before_knows_no_positions() -> None:
    plan = choose_clicks(clicks_of_a_day(16), ROUNDS, since=None, until=NOON + DAY)
    told = plan.model_dump(mode="json", exclude={"examination"})
    for click in (*told["train"], *told["choose"], *told["judge"]):
        del click["position"]
    assert RoundClicks.model_validate(told) == plan


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[TrainingGround]:
    settings = tiny_settings(tmp_path)
    with home.open_features(settings) as features:
        ground = training_ground(settings, features)
        keep_shop_ads(ground.past_ads.creatives, 6)
        yield ground
        ground.past_ads.creatives.close()


def round_of(ground: TrainingGround, positions: Sequence[int | None]) -> RoundClicks:
    """Ads clicked at positions, each beside one that was left two further down."""
    ads = keep_shop_ads(ground.past_ads.creatives, 6)
    at = datetime(2026, 1, 2, 12, tzinfo=UTC)
    clicked = [
        ClickedAd(ad.ad_id, f"user-{n}", ad.product_id, at, at + timedelta(minutes=n), position=p)
        for n, (ad, p) in enumerate(zip(ads, positions, strict=False))
    ]
    left = [
        ShownAd(c.ad_id, c.user_id, c.item_id, at, position=None if p is None else p + 2)
        for c, p in zip(reversed(clicked), positions, strict=False)
    ]
    return RoundClicks(
        train=tuple(clicked[:2]),
        replay=tuple(clicked[2:4]),
        pairs=tuple(zip(clicked[:2], left[:2], strict=True)),
        choose=tuple(clicked[4:5]),
        judge=tuple(clicked[4:6]),
        examination=SEEN,
    )


def test_lessons_of_a_log_with_positions_carry_weights(ground: TrainingGround) -> None:
    lessons = Lessons(ground, round_of(ground, [0, 1, 2, 2, 0, 1]))
    told = lessons.training()
    assert [e.weight for e in told.clicked] == pytest.approx([2 / 3, 4 / 3])
    assert [e.weight for e in told.replay] == [1.0, 1.0]
    assert [e.weight for e in told.heldout] == [1.0]
    assert [pair.weight for pair in told.pairs] == pytest.approx([0.25, 0.1])
    assert lessons.judged().weights.tolist() == pytest.approx([2 / 3, 4 / 3])


def test_lessons_without_positions_or_a_correction_weigh_1(ground: TrainingGround) -> None:
    unknown = Lessons(ground, round_of(ground, [None] * 6))
    off = replace(ground, rounds=RoundSettings(max_position_weight=None))
    for lessons in (unknown, Lessons(off, round_of(ground, [0, 1, 2, 2, 0, 1]))):
        told = lessons.training()
        assert {e.weight for e in (*told.clicked, *told.replay, *told.heldout)} == {1.0}
        assert {pair.weight for pair in told.pairs} == {1.0}
        assert lessons.judged().weights.tolist() == [1.0, 1.0]
