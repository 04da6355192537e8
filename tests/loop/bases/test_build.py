"""A base from public checkpoints: whole or not there, and what cannot work is told at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner, Result

from adloom.loop import home
from adloom.loop.bases.build import build_base
from adloom.loop.commands.app import app
from adloom.loop.settings import Settings
from adloom.models.ad_generator import AdGenerator
from adloom.models.config import AdGeneratorConfig
from adloom.models.janus_pro import load_janus
from adloom.models.settings import GeneratorSettings
from tests.models.public_janus import public_checkpoint, small_dinov2
from tests.models.test_janus_pro import code_brief


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("public")
    public_checkpoint(folder / "janus")
    small_dinov2(folder / "dinov2")
    return folder


def build(public: Path, out: Path, *more: str) -> Result:
    sources = ["--janus", str(public / "janus"), "--dinov2", str(public / "dinov2")]
    return CliRunner().invoke(app, ["base", "build", *sources, "--out", str(out), *more])


def test_a_base_is_built_told_and_draws_as_the_checkpoint_did(public: Path, tmp_path: Path) -> None:
    built = build(public, tmp_path / "new" / "base", "--json")
    assert built.exit_code == 0, built.output
    told = json.loads(built.stdout)
    assert (told["picture_size"], told["image_tokens"], told["codebook"]) == (64, 16, 128)
    assert told["bytes"] == sum(f.stat().st_size for f in Path(told["out"]).rglob("*.*"))
    settings = Settings(
        home=tmp_path, generator=GeneratorSettings(path=Path(told["out"]), device="cpu")
    )
    saved = home.load_generator(settings)
    assert saved.codebook_name == told["codebook_name"]
    assert saved.model.config.product_in_picture
    exact = load_janus(public / "janus", dinov2=public / "dinov2", dtype=torch.float32)
    pixels = torch.rand(4, 3, 64, 64) * 2 - 1
    vq = saved.model.janus.model.vqmodel
    assert torch.equal(
        vq.encode(pixels).image_tokens, exact.janus.model.vqmodel.encode(pixels).image_tokens
    )
    ad = saved.generate([code_brief(saved.model, 2)], seeds=[1])[0]
    assert np.asarray(ad.background).shape == (64, 64, 3)


def test_weights_are_kept_as_asked_for(public: Path, tmp_path: Path) -> None:
    assert build(public, tmp_path / "base", "--dtype", "float16").exit_code == 0
    with safe_open(str(tmp_path / "base" / "model.safetensors"), framework="pt") as weights:
        kinds = {weights.get_tensor(name).dtype for name in weights.keys()}  # noqa: SIM118
    assert kinds == {torch.float16}


def refused(result: Result) -> str:
    assert result.exit_code == 2, (result.output, result.exception)
    [line] = result.stderr.splitlines()
    return line


def _another_kind(public: Path) -> None:
    (public / "dinov2" / "config.json").write_text('{"model_type": "vit"}')


def _original(public: Path) -> None:
    (public / "janus" / "config.json").write_text('{"model_type": "multi_modality"}')


def _no_json(public: Path) -> None:
    (public / "janus" / "config.json").write_text("{")


def _an_empty_list(public: Path) -> None:
    (public / "janus" / "config.json").write_text("[]")


def _no_weights(public: Path) -> None:
    (public / "janus" / "model.safetensors").unlink()


def _a_part_is_missing(public: Path) -> None:
    _no_weights(public)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (public / "janus" / "model.safetensors.index.json").write_text(json.dumps(index))


def _other_words(public: Path) -> None:
    (public / "janus" / "tokenizer.json").unlink()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_another_kind, "no DINOv2 checkpoint"),
        (_original, "take the converted checkpoint"),
        (_no_json, "config.json is no JSON"),
        (_an_empty_list, "config.json is no JSON object"),
        (_no_weights, "the weights are missing"),
        (_a_part_is_missing, "model-1.safetensors is missing"),
        (_other_words, "tokenizer.json is missing or damaged"),
    ],
)
def test_what_cannot_become_a_base_is_refused_before_a_weight_is_loaded(
    damage: Callable[[Path], None],
    told: str,
    public: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(public, tmp_path / "public")
    damage(tmp_path / "public")
    monkeypatch.setattr(
        "adloom.loop.bases.build.load_janus", lambda *_, **__: pytest.fail("weights were loaded")
    )
    assert told in refused(build(tmp_path / "public", tmp_path / "base"))
    assert not (tmp_path / "base").exists()


def test_weights_that_are_cut_off_or_lack_a_part_are_told(public: Path, tmp_path: Path) -> None:
    shutil.copytree(public, tmp_path / "public")
    weights = tmp_path / "public" / "janus" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "janus" in build(tmp_path / "public", tmp_path / "base").stderr.splitlines()[-1]
    shutil.copy(public / "dinov2" / "model.safetensors", weights)
    told = build(tmp_path / "public", tmp_path / "base").stderr.splitlines()[-1]
    assert "weights are missing, such as" in told
    assert not (tmp_path / "base").exists()


def test_a_place_that_is_taken_and_a_full_disk_are_told(
    public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "mine").touch()
    assert "is there already" in refused(build(public, tmp_path / "base"))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 1_000_000))
    assert "GiB free" in refused(build(public, tmp_path / "other"))
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_a_hub_that_is_away_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", away)
    told = refused(
        CliRunner().invoke(
            app, ["base", "build", "--janus", "nobody/has-it", "--out", str(tmp_path / "base")]
        )
    )
    assert "nobody/has-it" in told
    assert "cannot be reached" in told


def killed_while_it_writes(public: Path, out: Path) -> None:
    """A build whose process is gone once the weights are written, as by ``kill -9``."""

    def build_alone() -> None:
        torch.set_num_threads(1)  # those of the parent are none of a fork's
        build_base(str(public / "janus"), str(public / "dinov2"), out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AdGeneratorConfig, "save", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        process = multiprocessing.get_context("fork").Process(target=build_alone)
        process.start()
        process.join(120)
    assert process.exitcode == -signal.SIGKILL


def test_a_build_that_is_killed_leaves_nothing_that_looks_whole(
    public: Path, tmp_path: Path
) -> None:
    killed_while_it_writes(public, tmp_path / "base")
    [left] = tmp_path.iterdir()
    assert (left / "model.safetensors").is_file()
    for folder in (tmp_path / "base", left):
        with pytest.raises(FileNotFoundError, match="holds no ad generator"):
            AdGenerator.from_pretrained(folder)
    (left / "left.over").touch()
    (tmp_path / "base").mkdir()
    assert build(public, tmp_path / "base").exit_code == 0
    assert not list(tmp_path.rglob("left.over"))
    assert [path.name for path in tmp_path.iterdir()] == ["base"]
