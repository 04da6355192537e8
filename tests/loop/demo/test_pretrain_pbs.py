"""The background encoder learns, and its training can be stopped on the way."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from adloom.loop.demo.pretraining.background import PbsPlan, paired_ads, pretrain_pbs
from adloom.loop.demo.shop.scenes import SCENES, render_scene
from adloom.loop.demo.shop.splits import HELDOUT_SEED, heldout_products
from adloom.models.quality.background import PICTURE_SIZE, BackgroundEncoder
from tests.own_tracking import track_under

PLAN = PbsPlan(variants=1, steps=4, batch=4, checkpoint_every=2)


@pytest.fixture(autouse=True)
def _own_tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track_under(tmp_path, monkeypatch)


def test_the_same_command_goes_on_where_training_stood(tmp_path: Path) -> None:
    first = load_file(pretrain_pbs(tmp_path, replace(PLAN, steps=2)))
    second = load_file(pretrain_pbs(tmp_path, PLAN))
    assert any(not torch.equal(first[name], second[name]) for name in first)
    with safe_open(tmp_path / "pbs-state.safetensors", framework="pt") as state:
        assert state.metadata()["step"] == "4"
    again = load_file(pretrain_pbs(tmp_path, PLAN))
    assert all(torch.equal(second[name], again[name]) for name in second)


@pytest.mark.slow
def test_a_short_training_tells_scenes_apart_behind_new_products(tmp_path: Path) -> None:
    path = pretrain_pbs(tmp_path, replace(PLAN, variants=2, steps=60, batch=32, rate=2e-3))
    encoder = BackgroundEncoder.from_pretrained(path)
    backdrops = [
        render_scene(scene, "warm", seed=HELDOUT_SEED + 1, size=PICTURE_SIZE) for scene in SCENES
    ]
    ads = paired_ads(backdrops, heldout_products(), len(backdrops), random.Random(0))
    first, second = np.split(encoder.embed(ads), 2)
    nearest = (first @ second.T).argmax(axis=1)
    assert (nearest == np.arange(len(backdrops))).mean() > 0.6
