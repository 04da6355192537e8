"""Rounds that were cut off and can never end: abandoned once, their runs ended, and gone on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient

from adloom.loop import home
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.hopeless import count_failure, why_hopeless
from adloom.loop.learning.rounds.kept import (
    PLAN,
    Abandoned,
    abandon,
    kept_rounds,
    next_number,
    round_folder,
    unfinished_round,
    write,
)
from adloom.loop.learning.rounds.plan import NotEnoughClicks, RoundClicks, RoundPlan
from adloom.loop.learning.rounds.train import train_round
from tests.loop_parts import tiny_settings, training_ground

NAME = "adloom-ad-generator"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingGround]:
    """A loop that nobody clicked in."""
    settings = tiny_settings(tmp_path_factory.mktemp("hopeless"))
    with home.open_features(settings) as features:
        ground = training_ground(settings, features)
        yield ground
        ground.past_ads.creatives.close()


def cut_off(ground: TrainingGround, parent: int = 1, base: str | None = None) -> tuple[Path, str]:
    """A round that was planned; its folder and its run."""
    number = next_number(ground.folder)
    run = ground.registry.runs.start(f"round {number}", params={}, tags={})
    kept = round_folder(ground.folder, number)
    kept.mkdir(parents=True)
    plan = RoundPlan(
        number=number,
        run_id=run,
        parent=parent,
        until=datetime.now(UTC),
        base=base,
        offsets={},
        clicks=RoundClicks(train=(), replay=(), pairs=(), choose=(), judge=()),
    )
    write(kept / PLAN, plan)
    return kept, run


def deleted_parent(ground: TrainingGround) -> tuple[Path, str]:
    client = MlflowClient(ground.registry.tracking_uri)
    version = client.create_model_version(NAME, "file:///nowhere", tags={"adapter": "none"})
    made = cut_off(ground, int(version.version))
    client.delete_model_version(NAME, version.version)
    return made


def deleted_run(ground: TrainingGround) -> tuple[Path, str]:
    kept, run = cut_off(ground)
    MlflowClient(ground.registry.tracking_uri).delete_run(run)
    return kept, run


def other_base(ground: TrainingGround) -> tuple[Path, str]:
    return cut_off(ground, base="of another model")


def spoilt_plan(ground: TrainingGround) -> tuple[Path, str]:
    """Its beginning can be read: its run is known, and its clicks are not."""
    kept, run = cut_off(ground)
    text = (kept / PLAN).read_text()
    (kept / PLAN).write_text(text.replace('"train"', '"trained"'))
    return kept, run


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (deleted_parent, "the version it starts from, 2, is deleted"),
        (deleted_run, "its MLflow run .* is deleted"),
        (other_base, "another base model"),
        (spoilt_plan, "its plan cannot be read"),
    ],
)
def test_a_round_that_can_never_end_is_abandoned_once(
    ground: TrainingGround, spoil: Callable[[TrainingGround], tuple[Path, str]], reason: str
) -> None:
    kept, run = spoil(ground)
    told: list[Abandoned] = []
    for _ in range(2):
        with pytest.raises(NotEnoughClicks):  # the next one
            train_round(ground, force=True, on_abandoned=told.append)
    (one,) = told
    found = kept_rounds(ground.folder)[-1]
    assert (found.round, found.state, found.reason) == (one.number, "abandoned", one.reason)
    assert re.search(reason, one.reason)
    ended = MlflowClient(ground.registry.tracking_uri).get_run(run)
    if spoil is not deleted_run:
        assert ended.info.status == "FAILED"
        assert ended.data.tags["abandoned"] == one.reason
    assert unfinished_round(ground.folder) is None
    assert next_number(ground.folder) == one.number + 1
    assert kept.is_dir()


def test_a_round_that_can_end_is_left_alone(ground: TrainingGround) -> None:
    kept, _ = cut_off(ground, base=ground.generator.base_name)
    assert why_hopeless(ground, kept) is None
    abandon(kept, "of this test")


def test_a_round_that_fails_three_times_is_abandoned_with_its_last_error(
    ground: TrainingGround,
) -> None:
    kept, run = cut_off(ground)
    bug = ValueError("no such\nthing")
    assert [count_failure(ground.registry, kept, bug) for _ in range(2)] == [None, None]
    abandoned = count_failure(ground.registry, kept, bug)
    assert abandoned is not None
    assert abandoned.reason == "it failed 3 times, at last by ValueError: no such thing"
    assert MlflowClient(ground.registry.tracking_uri).get_run(run).info.status == "FAILED"


def test_the_base_has_one_name_whatever_adapters_are_loaded(ground: TrainingGround) -> None:
    generator = home.load_generator(tiny_settings(ground.folder.parent.parent))
    generator.new_adapter("some", rank=2, alpha=4)
    generator.activate("some")
    assert generator.base_name == ground.generator.base_name
