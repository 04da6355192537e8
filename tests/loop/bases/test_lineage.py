"""A base of one's own has versions of its own, and takes in what they learned."""

from __future__ import annotations

import re
import resource
import shutil
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from adloom.loop import home
from adloom.loop.bases.merging import CannotMerge, merge_into_base
from adloom.loop.commands.app import app
from adloom.loop.learning.kept_adapters import UnfitVersion
from adloom.loop.learning.lineage import OtherBase
from adloom.loop.learning.registered_model import Version
from adloom.loop.learning.registry import CHAMPION, AdRegistry
from adloom.loop.learning.versions import load_adapter, load_version
from adloom.loop.settings import load_settings
from adloom.loop.settings.learning import MlflowSettings
from adloom.models.ad_generator import AdGenerator
from adloom.models.adapter_files import UnfitAdapter
from adloom.models.batching import batch_briefs, batch_targets
from adloom.models.brief import HistoryAd
from adloom.models.trends import Trends
from tests.own_tracking import with_tables
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


def test_a_merge_on_a_disk_that_is_full_is_told_and_goes_on_once_there_is_room(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt(base).save_adapter("round", tmp_path / "adapter")
    given = ("--adapter", str(tmp_path / "adapter"), "--base", str(base))
    merge = ("adapter", "merge", *given, "--out", str(tmp_path / "merged"))
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 1_000_000))
        refused = adloom(tmp_path, *merge)
    assert (refused.exit_code, "GiB free: make room" in refused.output) == (2, True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        full = adloom(tmp_path, *merge)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert full.exit_code == 2, full.exception
    assert full.stderr.splitlines()[-1].endswith("mend this, and start the command again")
    assert {path.name for path in tmp_path.glob("*merged*")} == set()
    assert {path.name for path in tmp_path.glob(".*merged*")} == set()
    assert adloom(tmp_path, *merge).exit_code == 0
    assert AdGenerator.from_pretrained(tmp_path / "merged", "cpu")


def test_a_merge_keeps_the_modules_as_the_version_had_them(tmp_path: Path) -> None:
    tiny_generator().model.save_pretrained(tmp_path / "base", dtype=torch.bfloat16)
    learnt(tmp_path / "base").save_adapter("round", tmp_path / "adapter")
    merge_into_base(tmp_path / "base", tmp_path / "adapter", tmp_path / "merged", called="mine")
    files = (tmp_path / name / "conditioning.safetensors" for name in ("adapter", "merged"))
    version, merged = map(load_file, files)
    assert {weight.dtype for weight in version.values()} == {torch.float32}
    assert all(torch.equal(weight, merged[name]) for name, weight in version.items())


def test_trends_are_left_out_only_where_that_is_asked_for(base: Path, tmp_path: Path) -> None:
    generator = learnt(base)
    codes = brief(products()[0], 1).history[0].codes
    generator.know_trends("round", Trends(1, {"mugs": (HistoryAd("A mug", codes),)}))
    generator.save_adapter("round", tmp_path / "adapter")
    given = ("--adapter", str(tmp_path / "adapter"), "--base", str(base))
    merge = ("adapter", "merge", *given, "--out", str(tmp_path / "merged"))
    assert "--leave-trends folds in the rest" in adloom(tmp_path, *merge).output
    assert adloom(tmp_path, *merge, "--leave-trends").exit_code == 0


def test_a_wrong_base_is_told_before_anything_else_of_an_adapter(
    base: Path, tmp_path: Path
) -> None:
    generator, other = learnt(base), other_base(tmp_path)
    codes = brief(products()[0], 1).history[0].codes
    generator.know_trends("round", Trends(1, {"mugs": (HistoryAd("A mug", codes),)}))
    folder = tmp_path / "adapter"
    generator.save_adapter("round", folder)
    told = f"does not fit {other}: it was trained on the base {generator.base_name}"
    with pytest.raises(CannotMerge, match=f"^version 3 {re.escape(told)}"):
        merge_into_base(other, folder, tmp_path / "merged", called="version 3")
    with pytest.raises(CannotMerge, match=r"^version 3 goes by what everybody clicks of late"):
        merge_into_base(base, folder, tmp_path / "merged", called="version 3")
    wide = AdGenerator.from_pretrained(other, "cpu")
    (folder / "trends.safetensors").write_bytes(b"damaged")
    with pytest.raises(UnfitAdapter, match="trained on the base"):
        wide.load_adapter("round", folder)
    (folder / "adapter_model.safetensors").unlink()
    version = Version(3, "run", datetime(2026, 1, 1, tzinfo=UTC), {}, ())
    with pytest.raises(UnfitVersion) as raised:
        load_adapter(wide, version, folder)
    assert str(raised.value) == (
        "version 3 holds no whole adapter: adapter_model.safetensors is missing"
    )
    assert not (tmp_path / "merged").exists()


def test_a_base_is_version_one_of_a_model_of_its_own(base: Path, tmp_path: Path) -> None:
    with_tables(tmp_path / "mlflow")
    command = ("base", "register", str(base), "--name", "mugs")
    for _ in range(2):
        result = adloom(tmp_path, *command)
        assert result.exit_code == 0, result.output
    registry = AdRegistry(MlflowSettings(model_name="mugs"), tmp_path / "mlflow")
    (version,) = registry.versions()
    assert (version.number, version.is_base, version.aliases) == (1, True, (CHAMPION,))
    assert version.tags["base_name"] == tiny_generator().base_name
    refused = adloom(tmp_path, "base", "register", str(other_base(tmp_path)), "--name", "mugs")
    assert (refused.exit_code, "of another base" in refused.output) == (2, True)


def test_a_base_whose_training_this_mlflow_does_not_know_has_a_run_of_its_own(
    base: Path, tmp_path: Path
) -> None:
    registry = AdRegistry(MlflowSettings(), with_tables(tmp_path / "mlflow"))
    kept = registry.runs.start("base-train", params={}, tags={})
    deleted = registry.runs.start("base-train", params={}, tags={})
    MlflowClient(registry.tracking_uri).delete_run(deleted)
    (base / "training").mkdir()
    named = {"here": kept, "deleted": deleted, "elsewhere": "0" * 32, "damaged": "../../etc"}
    for name, run in named.items():
        (base / "training" / "mlflow_run").write_text(f"{run}\n")
        for _ in range(2):
            result = adloom(tmp_path, "base", "register", str(base), "--name", name)
            assert result.exit_code == 0, result.output
        (version,) = AdRegistry(MlflowSettings(model_name=name), tmp_path / "mlflow").versions()
        foreign = run if name in ("deleted", "elsewhere") else None
        assert version.tags.get("trained_elsewhere") == foreign, name
        assert (version.run_id == kept) == (name == "here")
        assert registry.runs.is_there(version.run_id)
        assert version.aliases == (CHAMPION,)


def other_base(folder: Path) -> Path:
    """One with the shapes of the tiny base, and other weights."""
    other = tiny_generator()
    other.model.conditioning.preference.modality.weight.data.add_(1)
    other.model.save_pretrained(folder / "other")
    return folder / "other"


def test_what_serves_learns_judges_or_merges_on_another_base_than_the_versions_is_refused(
    base: Path, tmp_path: Path
) -> None:
    home_folder, other = tmp_path / "home", other_base(tmp_path)
    assert adloom(home_folder, "base", "register", str(base)).exit_code == 0
    settings = load_settings(home=home_folder, generator={"path": other})
    generator = home.load_generator(settings)
    names = f"{base} \\({tiny_generator().base_name}\\), not of {other} \\({generator.base_name}"
    for refusing in (home.registry_with_base, home.registry_to_serve_from):
        with pytest.raises(OtherBase, match=names):
            refusing(settings, generator)
    registry = home.open_registry(settings)
    with pytest.raises(UnfitVersion, match=f"not {generator.base_name}, which is loaded"):
        load_version(generator, registry, registry.version(1))
    learnt(other).save_adapter("round", tmp_path / "adapter")
    with pytest.raises(OtherBase, match=names):
        merge_into_base(
            other, tmp_path / "adapter", tmp_path / "merged", called="version 2", of=registry
        )
    told = CliRunner().invoke(
        app,
        ["train-round", "--force"],
        env={"ADLOOM_HOME": str(home_folder), "ADLOOM_GENERATOR__PATH": str(other)},
    )
    assert (told.exit_code, told.output.count("set generator.path")) == (2, 1)
