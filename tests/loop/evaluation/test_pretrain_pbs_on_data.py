"""The background encoder learns from a data set: scenes stay, products change."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adloom.loop.demo.pretraining.background import PbsPlan
from adloom.loop.evaluation.dataset.pretrain_pbs import pretrain_pbs_on
from adloom.loop.evaluation.dataset.records import CannotJudge
from adloom.loop.evaluation.dataset.scene_pairs import ScenePairs
from adloom.models.quality.background import BackgroundEncoder, contrastive_loss
from tests.loop.evaluation.small_dataset import small_records, write_small_dataset
from tests.own_tracking import track_under
from tests.tiny_model import tiny_generator

PLAN = PbsPlan(steps=4, batch=4, checkpoint_every=2)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_dataset(tmp_path_factory.mktemp("data") / "shards", tiny_generator())


@pytest.fixture(autouse=True)
def _own_tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track_under(tmp_path, monkeypatch)


def test_a_pair_has_one_scene_and_two_products(shards: Path) -> None:
    made = ScenePairs(shards, 8).drawn(random.Random(0))
    first, second = np.split(np.stack([np.asarray(picture, np.float32) for picture in made]), 2)
    assert first.shape == (3, 64, 64, 3)  # so many pictures are different, of those to train on
    corners = np.abs(first[:, None, :6, :6] - second[None, :, :6, :6]).mean((2, 3, 4))
    assert (corners.argmin(1) == np.arange(3)).all()
    middles = np.abs(first - second)[:, 24:50, 20:44].mean((1, 2, 3))
    assert (middles > 8).all()
    again = ScenePairs(shards, 8).drawn(random.Random(0))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(made, again, strict=True))


def test_a_training_that_was_cut_off_ends_as_if_it_was_not(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_file(pretrain_pbs_on(shards, tmp_path / "whole", PLAN))
    steps = 0

    def cut_off(*given: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt
        return contrastive_loss(*given)

    monkeypatch.setattr(f"{PbsPlan.__module__}.contrastive_loss", cut_off)
    with pytest.raises(KeyboardInterrupt):
        pretrain_pbs_on(shards, tmp_path / "cut", PLAN)
    monkeypatch.undo()
    track_under(tmp_path, monkeypatch)
    resumed = load_file(pretrain_pbs_on(shards, tmp_path / "cut", PLAN))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_short_training_tells_the_scene_from_the_product(shards: Path, tmp_path: Path) -> None:
    path = pretrain_pbs_on(shards, tmp_path, replace(PLAN, steps=25, rate=2e-3))
    encoder = BackgroundEncoder.from_pretrained(path)
    first, second = np.split(encoder.embed(ScenePairs(shards, 8).drawn(random.Random(5))), 2)
    likeness = first @ second.T
    assert (likeness.argmax(1) == np.arange(3)).all()  # others have the product of the first


def test_a_data_set_without_two_pictures_is_refused(tmp_path: Path) -> None:
    generator = tiny_generator()
    heldout = [record for record in small_records(generator, 2) if record.split == "heldout"]
    folder = write_small_dataset(tmp_path / "shards", generator, heldout)
    with pytest.raises(CannotJudge, match="0 pictures to train on"):
        pretrain_pbs_on(folder, tmp_path / "out", PLAN)
