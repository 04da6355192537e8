"""Only what is whole and fits the base is loaded; what is not leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from adloom.models.ad_generator import AdGenerator
from adloom.models.adapter_files import UnfitAdapter
from adloom.models.brief import HistoryAd
from adloom.models.trends import Trends
from tests.tiny_model import TINY, brief, products, tiny_generator

LORA, CONFIG = "adapter_model.safetensors", "adapter_config.json"
MODULES = "conditioning.safetensors"
ONLY_VALUES = {"use_rslora": True, "r": 3, "target_modules": ["v_proj"]}


@pytest.fixture(scope="module")
def generator() -> AdGenerator:
    return tiny_generator()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that fits."""
    folder = tmp_path_factory.mktemp("whole")
    maker = tiny_generator()
    maker.new_adapter("whole", rank=2, alpha=4)
    maker.know_trends("whole", trends(TINY.image_tokens, 5))
    maker.save_adapter("whole", folder)
    return folder


def trends(tokens: int, code: int) -> Trends:
    return Trends(1, {"kitchen": (HistoryAd("a mug", np.full(tokens, code, np.int16)),)})


def titled(title: Any) -> Trends:
    """Trends of two categories, of which the second has this title."""
    known = trends(TINY.image_tokens, 5).ads
    return Trends(1, {**known, "tools": (HistoryAd(title, known["kitchen"][0].codes),)})


def options(**changed: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        told = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(told | changed))

    return change


def tensors(file: str, change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        found = load_file(folder / file)
        change(found)
        save_file(found, folder / file)

    return changed


def first(found: dict[str, torch.Tensor]) -> str:
    return min(found)


def cut(file: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[: len(content) // 2])

    return change


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "another module": (options(target_modules=["q_proj", "gate_proj"]), "gate_proj"),
    "all modules": (options(target_modules="all-linear"), "target_modules"),
    "rank of another": (options(r=4), "is not"),
    "no rank": (options(r="2"), "rank"),
    "scaled beyond": (options(lora_alpha=float("inf")), "lora_alpha"),
    "another method": (options(peft_type="IA3"), "LoRA"),
    "DoRA": (options(use_dora=True), "use_dora"),
    "modules saved beside": (options(modules_to_save=["lm_head"]), "modules_to_save"),
    "starts that change the base": (options(init_lora_weights="pissa"), "init_lora_weights"),
    "options no JSON": (lambda f: (f / CONFIG).write_bytes(b"\x80\x04."), "no JSON"),
    "options too long": (lambda f: (f / CONFIG).write_text(" " * 100_000), "bytes"),
    "weights cut off": (cut(LORA), "damaged"),
    "modules cut off": (cut(MODULES), "damaged"),
    "trends cut off": (cut("trends.safetensors"), "damaged"),
    "weights empty": (lambda f: (f / LORA).write_bytes(b""), "damaged"),
    "not a number": (tensors(LORA, lambda t: t[first(t)].fill_(float("nan"))), "not finite"),
    "far too large": (tensors(LORA, lambda t: t[first(t)].fill_(1e38)), "too large"),
    "modules not finite": (tensors(MODULES, lambda t: t[first(t)].fill_(-torch.inf)), "finite"),
    "a tensor missing": (tensors(LORA, lambda t: t.pop(first(t))), "missing"),
    "a tensor more": (tensors(LORA, lambda t: t.update(more=torch.ones(1))), "not of this base"),
    "whole numbers": (tensors(LORA, lambda t: t.update({first(t): t[first(t)].int()})), "floating"),
    "trends of another": (lambda f: trends(TINY.image_tokens + 1, 5).save(f), "other sizes"),
    "codes of another": (lambda f: trends(TINY.image_tokens, 5000).save(f), "codes"),
    "a title that is none": (lambda f: titled(None).save(f), "no text"),
    "half a character": (lambda f: titled("a mug \ud83d").save(f), "no text"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    name: str, whole: Path, generator: AdGenerator, tmp_path: Path
) -> None:
    breaking, why = BROKEN[name]
    folder = shutil.copytree(whole, tmp_path / "broken")
    breaking(folder)
    layers = [at for at, _ in generator.model.named_parameters()]
    with pytest.raises(UnfitAdapter, match=why):
        generator.load_adapter("broken", folder)
    assert generator.adapters == ()
    assert [at for at, _ in generator.model.named_parameters()] == layers


def test_a_pickle_is_never_read(whole: Path, generator: AdGenerator, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "pickled")
    torch.save(load_file(folder / LORA), folder / "adapter_model.bin")
    (folder / LORA).unlink()
    with pytest.raises(FileNotFoundError, match=LORA):
        generator.load_adapter("pickled", folder)


@pytest.mark.parametrize("options_too", [{}, ONLY_VALUES])
def test_any_rank_and_fewer_projections_are_loaded_and_draw(
    options_too: dict[str, Any], generator: AdGenerator, tmp_path: Path, whole: Path
) -> None:
    folder = shutil.copytree(whole, tmp_path / "whole")
    options(**options_too)(folder)
    if options_too:
        some = {key: w for key, w in load_file(folder / LORA).items() if "v_proj" in key}
        wider = {
            key: torch.full((3, w.shape[1]) if "lora_A" in key else (w.shape[0], 3), 0.01)
            for key, w in some.items()
        }
        save_file(wider, folder / LORA)
    generator.load_adapter("fits", folder)
    [draft] = generator.generate([brief(products()[0], 1)], seeds=[1], adapter="fits")
    assert draft.codes.shape == (TINY.image_tokens,)
    generator.drop_adapter("fits")


def test_an_adapter_of_another_base_of_the_same_shapes_is_refused_by_name(whole: Path) -> None:
    other = tiny_generator()
    other.model.janus.model.language_model.layers[0].mlp.up_proj.weight.data.add_(1)
    told = f"trained on the base {tiny_generator().base_name}, and this one is {other.base_name}"
    with pytest.raises(UnfitAdapter, match=told):
        other.load_adapter("whole", whole)
