"""A round of a few steps on the tiny base, and what it comes to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adloom.loop.learning.rounds.learning_task import LearningTask, OnStep
from adloom.models import precision
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import HistoryAd
from adloom.models.settings import FineTuneSettings, TrendSettings
from adloom.models.training.click_lessons import TrainingClicks
from adloom.models.training.fine_tune import FineTuneResult
from adloom.models.training.preference_loss import PreferencePair
from tests.tiny_model import TINY, examples, tiny_generator

SETTINGS = FineTuneSettings(
    rank=2,
    batch_size=3,
    max_steps=4,
    checkpoint_every=1,
    evaluate_every=2,
    hidden_context=0.5,
    trend=TrendSettings(items=(0, 1), max_steps=4, preference_weight=0.5),
)


class ExactTask(LearningTask):
    """In float32: bfloat16 rounds sums of other rows otherwise, and Adam makes much of it."""

    def run(self, generator: AdGenerator, on_step: OnStep) -> FineTuneResult:
        """As ever."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(precision, "fast_dtype", lambda dtype, device: dtype)
            return super().run(generator, on_step)


def task(out: Path) -> LearningTask:
    """On clicks, pairs, trends and clicks of before; its noise is drawn as ever."""
    ads = examples(8)
    worse = [replace(ad, codes=other.codes) for ad, other in zip(ads[:2], ads[2:4], strict=True)]
    codes = np.zeros(TINY.image_tokens, np.int16)
    clicks = TrainingClicks(
        ads[:5],
        pairs=[PreferencePair(*pair) for pair in zip(ads[:2], worse, strict=True)],
        replay=ads[5:],
        heldout=examples(4, seed=50),
        trends={"": (HistoryAd("A mug", codes),)},
    )
    return ExactTask(tiny_generator().base_name, None, None, clicks, SETTINGS, out)


def learnt_alone(folder: Path) -> FineTuneResult:
    """What one process comes to."""
    return task(folder / "alone").run(tiny_generator(), lambda step, loss: None)


def assert_same_weights(adapter: Path, expected: Path) -> None:
    """As near as sums in another order are."""
    for file in ("adapter_model.safetensors", "conditioning.safetensors"):
        wanted = load_file(expected / file)
        for name, weight in load_file(adapter / file).items():
            torch.testing.assert_close(weight, wanted[name], rtol=1e-3, atol=1e-5, msg=name)
