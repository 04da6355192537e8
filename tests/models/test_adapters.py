"""Adapters by name on one base."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import PeftModel

from adloom.models.ad_generator import AdGenerator
from adloom.models.adapters import UnknownAdapter
from tests.tiny_model import brief, products, tiny_generator, tiny_model

BRIEFS = [brief(products()[0], 2), brief(products()[1], 0)]


def ads(generator: AdGenerator, adapter: str | None = None) -> list[tuple[str, bytes]]:
    drafts = generator.generate(BRIEFS, seeds=[1, 2], adapter=adapter)
    return [(d.title, d.codes.tobytes()) for d in drafts]


def stir(generator: AdGenerator, name: str, seed: int) -> None:
    """Give an adapter weights that change what is drawn."""
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in generator.lora_parameters(name).values():
            weight.copy_(0.3 * torch.randn(weight.shape, generator=noise))


def test_a_fresh_adapter_equals_the_base() -> None:
    generator = tiny_generator()
    bare = ads(generator)
    generator.new_adapter("fresh", rank=4, alpha=8)
    assert ads(generator, "fresh") == bare
    assert ads(generator) == bare
    assert generator.adapters == ("fresh",)


def test_adapters_live_side_by_side() -> None:
    generator = tiny_generator()
    bare = ads(generator)
    seen = {}
    for name, seed in (("left", 1), ("right", 2)):
        generator.new_adapter(name, rank=4, alpha=8)
        stir(generator, name, seed)
        seen[name] = ads(generator, name)
    assert seen["left"] != seen["right"]
    assert bare not in seen.values()
    assert [ads(generator, n) for n in ("left", None, "right")] == [
        seen["left"],
        bare,
        seen["right"],
    ]


# Version numbers are also numbers of layers: the names must not be mixed up.
@pytest.mark.parametrize("name", ["1", "default", "version-3"])
def test_a_saved_adapter_loads_again_and_by_plain_peft(name: str, tmp_path: Path) -> None:
    generator = tiny_generator()
    generator.new_adapter(name, rank=4, alpha=8)
    stir(generator, name, 1)
    drawn = ads(generator, name)
    generator.save_adapter(name, tmp_path / "adapter")
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "conditioning.safetensors",
        "trends.safetensors",
    }
    again = tiny_generator()
    again.load_adapter("other", tmp_path / "adapter")
    assert ads(again, "other") == drawn
    llama = tiny_model().janus.model.language_model
    plain = PeftModel.from_pretrained(llama, str(tmp_path / "adapter"))
    embeds = torch.randn(1, 7, llama.config.hidden_size)
    with torch.inference_mode():
        theirs = plain(inputs_embeds=embeds).last_hidden_state
        generator.activate(name)
        wrapped = generator.model.janus.model.language_model
        assert torch.allclose(wrapped(inputs_embeds=embeds).last_hidden_state, theirs, atol=1e-5)
        generator.activate(None)
        assert not torch.allclose(
            wrapped(inputs_embeds=embeds).last_hidden_state, theirs, atol=1e-2
        )


def test_a_copy_starts_as_its_source_and_then_goes_its_own_way() -> None:
    generator = tiny_generator()
    generator.new_adapter("1", rank=3, alpha=8)
    stir(generator, "1", 1)
    drawn = ads(generator, "1")
    generator.copy_adapter("1", "2")
    assert ads(generator, "2") == drawn
    stir(generator, "2", 2)
    assert ads(generator, "2") != drawn
    assert ads(generator, "1") == drawn


def test_what_was_active_stays_active_when_others_come_and_go(tmp_path: Path) -> None:
    generator = tiny_generator()
    generator.new_adapter("kept", rank=4, alpha=8)
    generator.activate("kept")
    conditioning = generator.model.conditioning
    generator.new_adapter("passing", rank=2, alpha=4)
    generator.save_adapter("passing", tmp_path)
    generator.load_adapter("loaded", tmp_path)
    generator.load_adapter("loaded", tmp_path)
    generator.drop_adapter("passing")
    assert generator.active == "kept"
    assert generator.model.conditioning is conditioning
    assert generator.adapters == ("kept", "loaded")
    assert not generator.model.training


@pytest.mark.filterwarnings("error:.*adapter.*:UserWarning")
def test_dropping_frees_the_name_and_gives_the_base_back() -> None:
    generator = tiny_generator()
    bare = ads(generator)
    names = [name for name, _ in generator.model.named_parameters()]
    for _ in range(2):
        for name in ("left", "right"):
            generator.new_adapter(name, rank=4, alpha=8)
            stir(generator, name, 1)
        generator.activate("right")
        generator.drop_adapter("right")
        assert generator.active is None
        assert ads(generator) == bare
        generator.drop_adapter("left")
    assert generator.adapters == ()
    assert ads(generator) == bare
    assert [name for name, _ in generator.model.named_parameters()] == names


def test_an_unknown_adapter_is_named() -> None:
    generator = tiny_generator()
    generator.new_adapter("known", rank=2, alpha=4)
    for use in (generator.activate, generator.drop_adapter, generator.lora_parameters):
        with pytest.raises(UnknownAdapter, match="'nobody' is not loaded"):
            use("nobody")
    with pytest.raises(UnknownAdapter):
        generator.save_adapter("nobody", Path("unused"))
    with pytest.raises(UnknownAdapter):
        generator.copy_adapter("nobody", "new")
    assert generator.adapters == ("known",)


def test_a_folder_without_an_adapter_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"adapter_config.json is missing"):
        tiny_generator().load_adapter("any", tmp_path)
