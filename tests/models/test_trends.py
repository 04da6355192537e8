"""What everybody clicks in a category goes before a shopper's own history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.models.ad_generator import AdGenerator
from adloom.models.adapters import UnknownAdapter
from adloom.models.brief import AdBrief, HistoryAd
from adloom.models.settings import FineTuneSettings, TrendSettings
from adloom.models.training.click_lessons import TrainingClicks
from adloom.models.training.example_loss import heldout_loss
from adloom.models.training.fine_tune import fine_tune
from adloom.models.training.trend_choice import beyond_chance
from adloom.models.trends import Trends
from tests.tiny_model import brief, examples, products, tiny_generator

CLICKED = brief(products()[5], 3, seed=9).history
TRENDS = Trends(2, {"toys": CLICKED, "home": CLICKED[:1]})
TOY = replace(brief(products()[0], 2), category="toys")


def ad(generator: AdGenerator, told: AdBrief, adapter: str | None) -> tuple[str, bytes]:
    draft = generator.generate([told], seeds=[1], adapter=adapter)[0]
    return draft.title, draft.codes.tobytes()


def same(left: tuple[HistoryAd, ...], right: tuple[HistoryAd, ...]) -> bool:
    return [a.title for a in left] == [a.title for a in right] and all(
        np.array_equal(a.codes, b.codes) for a, b in zip(left, right, strict=True)
    )


def test_a_brief_is_told_the_trend_of_its_category() -> None:
    assert TRENDS.told(TOY).trend == CLICKED[:2]
    assert TRENDS.told(replace(TOY, category="sports")).trend == ()
    assert Trends().told(TOY).trend == ()


def test_a_trend_that_a_brief_has_already_is_only_cut() -> None:
    assert TRENDS.told(replace(TOY, trend=CLICKED[1:])).trend == CLICKED[1:3]
    assert TRENDS.told(replace(TOY, trend=())).trend == ()


def test_an_ad_is_not_learnt_from_its_own_picture() -> None:
    assert TRENDS.told(TOY, besides=CLICKED[0].title).trend == CLICKED[1:3]
    generator = tiny_generator()
    generator.new_adapter("knowing", rank=2, alpha=4)
    generator.activate("knowing")
    target = replace(examples(1)[0], brief=TOY)
    own = HistoryAd(target.title, CLICKED[0].codes)
    generator.know_trends("knowing", Trends(2, {"toys": (own, CLICKED[1])}))
    with_own = heldout_loss(generator, [target], 1)
    generator.know_trends("knowing", Trends(2, {"toys": CLICKED[1:2]}))
    assert with_own == heldout_loss(generator, [target], 1)


def test_trends_are_read_again_as_they_were_written(tmp_path: Path) -> None:
    for trends in (TRENDS, Trends()):
        trends.save(tmp_path)
        read = Trends.load(tmp_path)
        assert read.items == trends.items
        assert list(read.ads) == list(trends.ads)
        assert all(same(read.ads[name], trends.ads[name]) for name in trends.ads)
    assert Trends.load(tmp_path / "nowhere") == Trends()


def test_an_adapter_draws_as_if_the_trend_had_been_clicked_first() -> None:
    generator = tiny_generator()
    generator.new_adapter("knowing", rank=2, alpha=4)
    generator.know_trends("knowing", TRENDS)
    first = replace(TOY, history=(*CLICKED[:2], *TOY.history))
    assert ad(generator, TOY, "knowing") == ad(generator, first, None)
    assert ad(generator, TOY, "knowing") != ad(generator, TOY, None)
    with pytest.raises(UnknownAdapter):
        generator.know_trends("missing", TRENDS)


def test_trends_go_with_the_adapter(tmp_path: Path) -> None:
    generator = tiny_generator()
    generator.new_adapter("one", rank=2, alpha=4)
    generator.know_trends("one", TRENDS)
    generator.copy_adapter("one", "two")
    generator.save_adapter("two", tmp_path)
    generator.drop_adapter("two")
    generator.load_adapter("three", tmp_path)
    assert ad(generator, TOY, "three") == ad(generator, TOY, "one")
    generator.new_adapter("two", rank=2, alpha=4)
    assert ad(generator, TOY, "two") == ad(generator, TOY, None)


@given(st.lists(st.floats(-5, 5), max_size=30))
def test_what_is_gained_on_some_clicks_and_lost_on_as_many_is_chance(gains: list[float]) -> None:
    assert not beyond_chance(np.array([*gains, *(-gain for gain in gains)]))


@pytest.mark.parametrize(
    ("gains", "told"),
    [
        ([], False),
        ([3.0], False),
        ([0.5, 0.5], True),
        ([-0.5, -0.5], False),
        ([0.3, -0.2, 0.4, 0.1, -0.1], False),
        ([0.3, 0.2, 0.4, 0.1, 0.2], True),
    ],
)
def test_a_trend_is_one_where_clicks_agree_on_it(gains: list[float], told: bool) -> None:
    assert beyond_chance(np.array(gains)) is told


def test_a_round_takes_as_much_of_a_trend_as_the_heldout_clicks_ask_for(tmp_path: Path) -> None:
    generator = tiny_generator()
    one = examples(1, seed=5)[0]
    heldout = [replace(one, brief=replace(one.brief, category="toys"))] * 3  # all of one mind
    losses = {}
    generator.new_adapter("fresh", rank=2, alpha=4)
    generator.activate("fresh")
    for items in (0, 1, 3):
        generator.know_trends("fresh", Trends(items, TRENDS.ads))
        losses[items] = heldout_loss(generator, heldout, 3)
    generator.drop_adapter("fresh")
    assert len(set(losses.values())) == 3
    trend = TrendSettings(items=(0, 1, 3), max_steps=3)
    settings = FineTuneSettings(rank=2, alpha=4, max_steps=2, batch_size=2, trend=trend)
    clicks = TrainingClicks(examples(4), heldout=heldout, trends=TRENDS.ads)
    result = fine_tune(generator, clicks, settings=settings, out=tmp_path / "round")
    assert result.trend_items == min(losses, key=losses.__getitem__)
    assert result.steps == (3 if result.trend_items else 2)
    assert result.heldout_before == pytest.approx(losses[0], rel=1e-3)  # other batches
    kept = Trends.load(result.adapter)
    assert kept.items == result.trend_items
    assert same(kept.ads["toys"], CLICKED)
