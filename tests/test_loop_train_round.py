"""Rounds on a real broker, feature store and registry."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from feature_store.store import FeatureStore
from loop import home
from loop.champion import Champion
from loop.registry import CHALLENGER
from loop.round_plan import NotEnoughClicks, RoundPlan
from loop.train_round import TrainingGround, outcomes, train_round
from stream.settings import KafkaSettings
from tests.loop_parts import click_through, keep_shop_ads, tiny_settings, training_ground


@pytest.fixture
def ground(tmp_path: Path, kafka: KafkaSettings) -> Iterator[TrainingGround]:
    settings = tiny_settings(tmp_path)
    with home.open_features(settings) as features:
        ground = training_ground(settings, features)
        ads = keep_shop_ads(ground.maker.creatives, 6)
        click_through(kafka, features, ads, ["ann", "bob"])
        yield ground
        ground.maker.creatives.close()


def test_a_round_learns_from_clicks_and_registers_a_version(ground: TrainingGround) -> None:
    steps: list[int] = []
    outcome = train_round(ground, on_step=lambda step, _: steps.append(step))
    assert steps == [1, 2, 3]
    assert (outcome.number, outcome.version, outcome.parent) == (1, 2, 1)
    assert outcome.train_clicks + outcome.heldout_clicks == 12
    assert outcome.passed == (version_tags(ground, 2)["gate"] == "passed")
    assert (not outcome.objections) == outcome.passed
    if outcome.heldout_after >= outcome.heldout_before:
        assert "held-out loss" in outcome.objections[0]
    version = ground.registry.version(2)
    assert version.tags["parent"] == "1"
    assert float(version.tags["heldout_loss_after"]) == pytest.approx(outcome.heldout_after, 1e-4)
    assert (CHALLENGER in version.aliases) == outcome.passed
    assert outcomes(ground.folder) == [outcome]


def version_tags(ground: TrainingGround, number: int) -> Mapping[str, str]:
    return ground.registry.version(number).tags


def test_the_gates_figures_are_kept_with_the_version(ground: TrainingGround) -> None:
    train_round(ground)
    tags = version_tags(ground, 2)
    for side in ("champion", "challenger"):
        for figure in ("heldout_loss", "pbs", "invalid_titles", "diversity", "seconds_an_ad"):
            assert math.isfinite(float(tags[f"{side}_{figure}"]))


def test_heldout_clicks_are_later_than_all_that_is_trained_on(ground: TrainingGround) -> None:
    train_round(ground)
    plan = (ground.folder / "round-0001" / "plan.json").read_text()
    read = RoundPlan.model_validate_json(plan).clicks
    assert max(c.clicked_at for c in read.train) <= min(c.clicked_at for c in read.heldout)


def test_too_few_new_clicks_are_told_and_force_trains_anyway(ground: TrainingGround) -> None:
    train_round(ground)
    with pytest.raises(NotEnoughClicks, match="0 clicked ads since the last round"):
        train_round(ground)
    assert train_round(ground, force=True).number == 2


def test_a_cut_off_round_goes_on_and_registers_once(ground: TrainingGround) -> None:
    class Killed(BaseException):
        pass

    def die(step: int, loss: float) -> None:
        if step == 2:
            raise Killed

    with pytest.raises(Killed):
        train_round(ground, on_step=die)
    steps: list[int] = []
    outcome = train_round(ground, on_step=lambda step, _: steps.append(step))
    assert outcome.number == 1
    assert steps[-1] == 3
    assert 1 not in steps  # what was trained is not trained again
    assert len(outcome.losses) == 3
    assert [v.number for v in ground.registry.versions()] == [1, 2]


def test_the_champion_follows_its_alias(ground: TrainingGround) -> None:
    champion = Champion(ground.maker.generator, ground.registry)
    assert champion.serving.version == 1
    assert champion.serving.adapter is None
    version = train_round(ground).version
    assert not champion.follow()
    ground.registry.promote(version)
    assert champion.follow()
    assert champion.serving.version == version
    assert champion.serving.adapter in ground.maker.generator.adapters
    ground.registry.rollback()
    assert champion.follow()
    assert champion.serving.adapter is None
    assert ground.maker.generator.adapters == ()


def test_a_store_without_clicks_has_nothing_to_learn(tmp_path: Path, store: FeatureStore) -> None:
    ground = training_ground(tiny_settings(tmp_path), store)
    with pytest.raises(NotEnoughClicks):
        train_round(ground, force=True)
    ground.maker.creatives.close()
