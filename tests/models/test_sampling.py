"""What an ad is drawn by: the base's own way, what settings change of it, and its limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from adloom.loop.learning.model_config import model_config
from adloom.loop.settings.experiments import Arm
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdDraft
from adloom.models.config import CONFIG_FILE, AdGeneratorConfig
from adloom.models.engine.truncation import truncate
from adloom.models.generator import DEMO_MODEL
from adloom.models.janus_pro import paper_config
from adloom.models.published_shapes import janus_pro
from adloom.models.sampling import BaseSampling, Sampling
from adloom.models.settings import GeneratorSettings
from tests.tiny_model import brief, products, tiny_model

ASKS = [brief(p, n, seed=n) for p, n in zip(products(), (0, 2, 1), strict=False)]
OWN = BaseSampling(guidance=5.0, temperature=1.0, title_temperature=1.0, title_top_k=40)


@pytest.fixture(scope="module")
def generator() -> AdGenerator:
    """One that is not sure of anything: much hangs on chance."""
    model = tiny_model()
    with torch.no_grad():
        model.janus.lm_head.weight.mul_(0.2)
        model.janus.model.generation_head.vision_head.weight.mul_(0.3)
    return AdGenerator(model)


def ad(draft: AdDraft) -> tuple[str, list[int]]:
    return draft.title, draft.codes.tolist()


def drawn(generator: AdGenerator, how: Sampling, seed: int = 0) -> tuple[str, list[int]]:
    return ad(generator.generate(ASKS[1:2], seeds=[seed], sampling=how)[0])


def test_the_likeliest_are_left_by_number_and_by_probability() -> None:
    chances = torch.tensor([[0.1, 0.4, 0.05, 0.3, 0.15], [0.2, 0.2, 0.2, 0.2, 0.2]])

    def left(temperature: float, top_k: int, top_p: float) -> list[list[int]]:
        logits = chances.log()
        truncate(logits, temperature, top_k, top_p)
        return [row.isfinite().nonzero()[:, 0].tolist() for row in logits]

    everything = [[0, 1, 2, 3, 4]] * 2
    assert left(1.0, 0, 1.0) == left(1.0, 9, 1.0) == everything
    assert left(1.0, 2, 1.0) == [[1, 3], everything[1]]
    assert left(1.0, 0, 0.69)[0] == [1, 3]
    assert left(1.0, 0, 0.71)[0] == [1, 3, 4]
    assert left(0.1, 0, 0.71)[0] == [1]  # drawn at that temperature
    assert left(1.0, 3, 0.75)[0] == [1, 3]  # of the three that are left
    assert left(1.0, 0, 1e-9)[0] == [1]


@pytest.mark.parametrize(
    "how",
    [
        Sampling(top_k=1, title_top_k=1),
        Sampling(top_p=1e-6, title_top_p=1e-6),
        Sampling(temperature=1e-6, title_temperature=1e-6),
    ],
)
def test_the_least_limits_draw_what_is_likeliest_whatever_the_seed(
    generator: AdGenerator, how: Sampling
) -> None:
    likeliest = drawn(generator, Sampling(top_k=1, title_top_k=1), 1)
    assert drawn(generator, how, 2) == likeliest
    assert drawn(generator, Sampling(), 2) != likeliest


def test_limits_hold_for_titles_and_pictures_each_by_itself(generator: AdGenerator) -> None:
    plain = drawn(generator, Sampling())
    assert drawn(generator, Sampling(top_k=2))[0] == plain[0]
    assert drawn(generator, Sampling(top_k=2))[1] != plain[1]
    assert drawn(generator, Sampling(title_top_p=0.01))[0] != plain[0]
    vast = Sampling(top_k=1 << 20, title_top_k=1 << 20)
    assert drawn(generator, vast) == plain


def test_an_ad_with_limits_is_the_same_whatever_is_drawn_beside_it(generator: AdGenerator) -> None:
    hows = (Sampling(top_k=7, title_top_p=0.8), Sampling(), Sampling(top_p=0.6, title_top_k=5))
    started = [
        generator.start(ask, seeds=[seed, 9 + seed], sampling=how)
        for seed, (ask, how) in enumerate(zip(ASKS, hows, strict=True))
    ]
    generator.finish(started)
    for seed, (ask, how, together) in enumerate(zip(ASKS, hows, started, strict=True)):
        alone = generator.generate([ask], seeds=[seed], sampling=how)[0]
        assert ad(generator.draft(together.result()[0], ask)) == ad(alone)


def test_a_base_draws_in_its_own_way_and_settings_change_what_they_name(
    generator: AdGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = generator.model
    monkeypatch.setattr(model, "config", model.config.model_copy(update={"sampling": OWN}))
    own = ad(generator.generate(ASKS[:1], seeds=[3])[0])
    told = Sampling(**OWN.model_dump())
    assert own == ad(generator.generate(ASKS[:1], seeds=[3], sampling=told)[0])
    assert own != ad(generator.generate(ASKS[:1], seeds=[3], sampling=Sampling())[0])
    assert generator.sampling(GeneratorSettings()) == told
    changed = generator.sampling(GeneratorSettings(guidance=2.0, title_top_k=0, top_p=0.9))
    assert changed == Sampling(
        guidance=2.0, temperature=1.0, title_temperature=1.0, title_top_k=0, top_p=0.9
    )


def test_the_paper_s_base_has_its_own_way_and_the_bundled_one_stays_as_it_was() -> None:
    paper = paper_config(janus_pro("1B")).sampling
    assert (paper.guidance, paper.temperature, paper.foreground_strength) == (5.0, 1.0, 1.5)
    assert "sampling" not in json.loads((DEMO_MODEL / CONFIG_FILE).read_text())
    demo = Sampling.of(AdGeneratorConfig.load(DEMO_MODEL).sampling, GeneratorSettings())
    figures = (demo.guidance, demo.temperature, demo.title_temperature, demo.foreground_strength)
    assert figures == (3.0, 0.9, 0.6, 1.5)
    assert (demo.top_k, demo.top_p, demo.title_top_k, demo.title_top_p) == (0, 1.0, 0, 1.0)


def test_a_version_notes_what_it_is_drawn_with(tmp_path: Path) -> None:
    AdGeneratorConfig(sampling=OWN).save(tmp_path)
    assert AdGeneratorConfig.load(tmp_path).sampling == OWN
    settings = GeneratorSettings(path=tmp_path, temperature=0.5)
    arm = Arm(guidance=7.0).applied_to(settings)
    noted = model_config(arm)["sampling"]
    assert noted == {**OWN.model_dump(), "temperature": 0.5, "guidance": 7.0, "keep": None}
    assert model_config(GeneratorSettings())["sampling"] == Sampling().model_dump()
    with pytest.raises(FileNotFoundError, match="holds no ad generator"):
        model_config(GeneratorSettings(path=tmp_path / "gone"))
