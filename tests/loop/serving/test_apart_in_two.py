"""Two processes that draw: the ads are those of one, and where one ends the other goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from adloom.loop.serving.apart.generator import GeneratorApart
from adloom.loop.serving.drawing_place import _processes
from adloom.loop.settings import Settings
from adloom.models.ad_generator import AdGenerator
from adloom.models.adapter_files import UnfitAdapter
from adloom.models.adapters import UnknownAdapter
from tests.loop_parts import adapter_folder, tiny_settings
from tests.tiny_model import brief, products

_PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return tiny_settings(tmp_path_factory.mktemp("in-two"))


@pytest.fixture(scope="module")
def two(settings: Settings) -> Iterator[GeneratorApart]:
    with GeneratorApart(settings.generator.path, rows=4, threads=1, processes=2) as generator:
        assert generator.base_name
        yield generator


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_both_draw_what_one_would(two: GeneratorApart, settings: Settings) -> None:
    here, told = AdGenerator.from_pretrained(settings.generator.path), brief(products()[0], 3)
    folder = adapter_folder(settings, "both")
    for generator in (two, here):
        generator.load_adapter("both", folder)
    drawing = [two.start(told, seeds=[seed], adapter="both") for seed in range(4)]
    assert [process.asked for process in two._processes] == [2, 2]
    two.finish(drawing)
    expected = here.start(told, seeds=range(4), adapter="both")
    here.finish([expected])
    for ours, theirs in zip(drawing, expected.result(), strict=True):
        [drawn] = ours.result()
        assert drawn.title == theirs.title
        assert np.array_equal(drawn.codes.numpy(), theirs.codes.numpy())
    two.drop_adapter("both")
    with pytest.raises(UnknownAdapter):
        two.start(told, seeds=[0], adapter="both")
    with pytest.raises(UnknownAdapter):
        two.drop_adapter("both")


def test_while_one_starts_again_the_other_draws(two: GeneratorApart, settings: Settings) -> None:
    folder, told = adapter_folder(settings, "stays"), brief(products()[1], 2)
    two.load_adapter("stays", folder)
    [first] = two.start(told, seeds=[5], adapter="stays").result(_PATIENCE_SECONDS)
    ended, other = two.pids
    os.kill(ended, signal.SIGKILL)
    until(lambda: two._processes[0].problem is not None)
    assert two.problem is None
    drawing = [two.start(told, seeds=[5], adapter="stays") for _ in range(3)]
    assert two._processes[1].asked == 3
    two.load_adapter("later", adapter_folder(settings, "later"))  # waits for both
    for one in drawing:
        assert one.result(_PATIENCE_SECONDS)[0].title == first.title
    assert two.pids[0] != ended
    assert two.pids[1] == other
    for adapter in ("stays", "later"):  # by the one that is new, too
        both = [two.start(told, seeds=[5], adapter=adapter) for _ in range(2)]
        ours, theirs = (drawn.result(_PATIENCE_SECONDS)[0] for drawn in both)
        assert np.array_equal(ours.codes.numpy(), theirs.codes.numpy())
        two.drop_adapter(adapter)


def test_an_adapter_that_fits_none_is_in_none(
    two: GeneratorApart, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "adapter_config.json").write_text("no JSON")
    for name in ("adapter_model.safetensors", "conditioning.safetensors"):
        (tmp_path / name).write_bytes(b"\0" * 64)
    with pytest.raises(UnfitAdapter, match="is damaged"):
        two.load_adapter("own", tmp_path)
    two.load_adapter("own", adapter_folder(settings, "own"))
    assert two.adapters == ("own",)
    two.drop_adapter("own")


@pytest.mark.parametrize(("threads", "processes"), [(1, 1), (2, 2), (64, 4)])
def test_a_small_base_is_drawn_by_a_process_a_core(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, threads: int, processes: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert _processes(settings, threads) == processes


def test_a_large_base_and_one_on_a_gpu_are_in_memory_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert _processes(settings, 4) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("adloom.loop.serving.drawing_place._SMALL_BYTES", 1)
    assert _processes(settings, 4) == 1
