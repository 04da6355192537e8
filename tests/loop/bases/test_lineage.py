"""A base of one's own has versions of its own, and takes in what they learned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from adloom.loop.commands.app import app
from adloom.loop.learning.registry import CHAMPION, AdRegistry
from adloom.loop.settings.learning import MlflowSettings
from adloom.models.ad_generator import AdGenerator
from adloom.models.batching import batch_briefs, batch_targets
from adloom.models.brief import HistoryAd
from adloom.models.trends import Trends
from tests.tiny_model import brief, examples, products, tiny_generator


def adloom(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"ADLOOM_HOME": str(home)})


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tiny_generator().model.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def drawn(generator: AdGenerator, adapter: str | None) -> list[bytes]:
    briefs = [brief(product, 2) for product in products()[:2]]
    drafts = generator.generate(briefs, seeds=[1, 2], adapter=adapter)
    return [draft.title.encode() + draft.codes.tobytes() for draft in drafts]


@torch.inference_mode()
def likelihoods(generator: AdGenerator) -> list[float]:
    """Of four ads, nats a token, in float32."""
    model, ads = generator.model, examples(4)
    briefs = batch_briefs([ad.brief for ad in ads], model.tokenizer, model.config)
    targets = batch_targets(ads, model.tokenizer, model.config)
    return model.log_likelihood(briefs, targets).tolist()


def learnt(base: Path) -> AdGenerator:
    """The base with an adapter that draws something else."""
    generator = AdGenerator.from_pretrained(base, "cpu")
    generator.new_adapter("round", rank=4, alpha=8)
    for weight in generator.lora_parameters("round").values():
        weight.data.normal_(std=0.1)
    for weight in generator.conditioning("round").parameters():
        weight.data.mul_(1.1)
    return generator


def test_a_merged_base_draws_what_its_base_drew_with_the_adapter(
    base: Path, tmp_path: Path
) -> None:
    generator = learnt(base)
    generator.save_adapter("round", tmp_path / "adapter")
    given = ("--adapter", str(tmp_path / "adapter"), "--base", str(base))
    result = adloom(tmp_path, "adapter", "merge", *given, "--out", str(tmp_path / "merged"))
    assert result.exit_code == 0, result.output
    merged = AdGenerator.from_pretrained(tmp_path / "merged", "cpu")
    assert drawn(generator, "round") != drawn(generator, None)
    # Sums in another order may settle a tie otherwise, so what is likely is compared, not drawn.
    generator.activate("round")
    likely = likelihoods(generator)
    assert likelihoods(merged) == pytest.approx(likely, abs=1e-2)
    generator.activate(None)
    assert likelihoods(generator) != pytest.approx(likely, abs=1)
    again = adloom(tmp_path, "adapter", "merge", *given, "--out", str(tmp_path / "merged"))
    assert (again.exit_code, "is there already" in again.output) == (2, True)


def test_trends_are_left_out_only_where_that_is_asked_for(base: Path, tmp_path: Path) -> None:
    generator = learnt(base)
    codes = brief(products()[0], 1).history[0].codes
    generator.know_trends("round", Trends(1, {"mugs": (HistoryAd("A mug", codes),)}))
    generator.save_adapter("round", tmp_path / "adapter")
    given = ("--adapter", str(tmp_path / "adapter"), "--base", str(base))
    merge = ("adapter", "merge", *given, "--out", str(tmp_path / "merged"))
    assert "--leave-trends folds in the rest" in adloom(tmp_path, *merge).output
    assert adloom(tmp_path, *merge, "--leave-trends").exit_code == 0


def test_a_base_is_version_one_of_a_model_of_its_own(base: Path, tmp_path: Path) -> None:
    command = ("base", "register", str(base), "--name", "mugs")
    for _ in range(2):
        result = adloom(tmp_path, *command)
        assert result.exit_code == 0, result.output
    registry = AdRegistry(MlflowSettings(model_name="mugs"), tmp_path / "mlflow")
    (version,) = registry.versions()
    assert (version.number, version.is_base, version.aliases) == (1, True, (CHAMPION,))
    assert version.tags["base_name"] == tiny_generator().base_name
    other = tiny_generator()
    other.model.conditioning.preference.modality.weight.data.add_(1)
    other.model.save_pretrained(tmp_path / "other")
    refused = adloom(tmp_path, "base", "register", str(tmp_path / "other"), "--name", "mugs")
    assert (refused.exit_code, "of another base" in refused.output) == (2, True)
