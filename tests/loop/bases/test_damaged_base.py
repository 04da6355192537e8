"""A base or a checkpoint that is damaged is told in one line, by every command that is given it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from adloom.loop.bases.checkpoint_folders import unusable_folder
from adloom.loop.commands.app import app
from tests.tiny_model import tiny_model

WEIGHTS, INDEX, MODULES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "conditioning.safetensors",
)
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "base"
    tiny_model().save_pretrained(folder)
    return folder


@pytest.fixture
def base(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "base")
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "dataset.json").write_text("{}")
    (tmp_path / "data.json").write_text("[]")
    return tmp_path / "base"


def told(folder: Path, command: str, **environment: str) -> str:
    """The one line that it ends with."""
    environment |= {"ADLOOM_HOME": str(folder / "home")}
    words = [word.replace("HERE", str(folder)) for word in command.split()]
    result = CliRunner().invoke(app, words, env=environment)
    assert result.exit_code == 2, (command, result.output, result.exception)
    return result.stderr.splitlines()[-1]


COMMANDS = (
    "base encode --data HERE/data.json --pictures HERE --base HERE/base --out HERE/out",
    "base train --data HERE/shards --base HERE/base --stage general --out HERE/out",
    "base register HERE/base",
    "evaluate --data HERE/shards --base HERE/base",
    "adapter merge --version 1 --base HERE/base --out HERE/out",
)
OF_SETTINGS = ("serve", "train-round --force")


def without_weights(base: Path) -> None:
    (base / "ad_generator.json").write_text("{}")
    (base / WEIGHTS).unlink()


def written(name: str, text: str | bytes) -> Damage:
    return lambda base: (base / name).write_bytes(text.encode() if isinstance(text, str) else text)


def cut_off(name: str) -> Damage:
    return lambda base: (base / name).write_bytes((base / name).read_bytes()[:-100])


def gone(name: str) -> Damage:
    return lambda base: (base / name).unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (written("ad_generator.json", "{bad"), "ad_generator.json is no JSON"),
        (written("ad_generator.json", "[" * 9999), "ad_generator.json is no JSON"),
        (written("config.json", "[]"), "config.json is no JSON object"),
        (written("config.json", b"\xff\xfe"), "config.json is no JSON"),
        (without_weights, "the weights are missing"),
        (cut_off(WEIGHTS), "model.safetensors is damaged"),
        (cut_off(MODULES), "conditioning.safetensors is damaged"),
        (gone(MODULES), "conditioning.safetensors is missing"),
        (gone("tokenizer.json"), "tokenizer.json is missing"),
    ],
)
def test_what_is_damaged_is_told_by_every_command(base: Path, damage: Damage, words: str) -> None:
    damage(base)
    for command in COMMANDS:
        assert f"{base} holds no whole ad generator: {words}" in told(base.parent, command)
    for command in OF_SETTINGS:
        line = told(base.parent, command, ADLOOM_GENERATOR__PATH=str(base))
        assert f"{base} holds no whole ad generator: {words}" in line
    assert not (base.parent / "out").exists()


def without_a_weight(base: Path) -> None:
    weights = load_file(base / WEIGHTS)
    weights.pop("model.language_model.norm.weight")
    save_file(weights, base / WEIGHTS, {"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (written("ad_generator.json", "{}"), "size mismatch for"),
        (written("ad_generator.json", '{"grid": 0}'), "grid: Input should be greater"),
        (written("ad_generator.json", '{"grd": 4}'), "grd: Extra inputs"),
        (written("tokenizer.json", "{}"), "cannot be loaded as an ad generator"),
        (without_a_weight, "1 weights are missing, such as model.language_model.norm.weight"),
    ],
)
def test_what_does_not_fit_together_is_told_by_what_loads_it(
    base: Path, damage: Damage, words: str
) -> None:
    damage(base)
    line = told(base.parent, "base register HERE/base")
    assert str(base) in line
    assert line.endswith(": copy it again, or make it anew")
    assert words in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{not json", "is no JSON"),
        ("[]", "is no JSON object"),
        ('{"weight_map": {}}', "has no weight_map"),
        ('{"weight_map": {"a": 3}}', "names '3'"),
        ('{"weight_map": {"a": ["b"]}}', "which is no name of a file beside it"),
        (b'{"weight_map": {"a": "\xff"}}', "is no JSON"),
        (" " * (16 * 2**20) + "{}", "is larger than 16 MiB"),
        ('{"weight_map": {"a": "../../../etc/passwd"}}', "names '../../../etc/passwd'"),
        ('{"weight_map": {"a": ".."}}', "names '..'"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "names '/etc/passwd'"),
        ('{"weight_map": {"a": "..\\\\a"}}', "which is no name"),
        (json.dumps({"weight_map": {"a": "a" * 999}}), "which is no name"),
        ('{"weight_map": {"a": "b.safetensors"}}', "b.safetensors is missing"),
    ],
)
def test_an_index_of_weights_that_is_damaged_or_points_elsewhere_is_told(
    base: Path, text: str | bytes, words: str
) -> None:
    gone(WEIGHTS)(base)
    written(INDEX, text)(base)
    told_of_checkpoint = unusable_folder(str(base))
    assert told_of_checkpoint is not None
    assert words in told_of_checkpoint
    for command in ("base build --janus HERE/base --out HERE/out", "base register HERE/base"):
        assert words in told(base.parent, command)
