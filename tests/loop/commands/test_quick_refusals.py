"""What is wrong with options and folders is told before anything large is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loop.commands.hollow import hollow_base

# Run in one process: each command ends before it loads what it works with.
_PROGRAM = """
import json, sys
from typer.testing import CliRunner
from adloom.loop.commands.app import app
told = []
for line in sys.stdin:
    made = CliRunner().invoke(app, json.loads(line))
    loaded = [name for name in ("torch", "transformers", "mlflow", "ray") if name in sys.modules]
    told.append((made.exit_code, made.stderr, loaded))
print(json.dumps(told))
"""
_REFUSED = {
    "base build --janus /none --out here": "/none: there is no such folder",
    "base build --janus /none --out .": "is there already",
    "base plan --janus /none": "/none: there is no such folder",
    "base plan --janus 1b --memory much": "write it as 80GB",
    "base plan --janus 1b --memory 80": "write it as 80GB",
    "base plan --janus 1b --memory 0": "write it as 80GB",
    "base plan --janus 1b --memory 0GB": "write it as 80GB",
    "base plan --janus 1b --memory 1e999GB": "write it as 80GB",
    "base plan --janus 1b --rank 999999999999": "less than or equal to 4096",
    "base plan --janus 1b --batch 99999999999": "less than or equal to 4096",
    "base plan --janus 1b --rows 999999999999": "less than or equal to 256",
    "base train --data . --base . --stage general --out o --rank 5000": "or equal to 4096",
    "base train --data . --base . --stage general --out o --alpha 9999999": "or equal to 999999",
    "base train --data . --base . --stage general --out o --seed 99999999999": "4294967295",
    "base build --janus index --out here": "model.safetensors.index.json is no JSON",
    "base register damaged": "ad_generator.json is no JSON",
    "base encode --data /none --pictures . --base . --out o": "/none: there is no such file",
    "base train --data . --base . --stage general --out o": "holds no shards",
    "base register .": "holds no ad generator",
    "base build --janus none-json --out here": "config.json is no JSON: copy the checkpoint",
    "base build --janus list --out here": "config.json is no JSON object",
    "base build --janus list --out dangling": "dangling is a link to nothing",
    "base build --janus list --out link": "link is a link: name the folder that it leads to",
    "base build --janus list --out something/base": "something is a file, no folder",
    "base build --janus list --out /proc/base": "nothing can be made in /proc",
    "base encode --data something --pictures . --base whole --out something": "is a file: name a",
    "base encode --data something --pictures . --base whole --out dangling/o": "a link to nothing",
    "base train --data whole --base whole --stage general --out something/o": "is a file, no",
    "pretrain-pbs --out something/o": "something is a file, no folder",
    "pretrain-pbs --data .": "holds no shards",
    "pretrain --out something": "something is a file: name a folder",
    "demo --out something/o": "something is a file, no folder",
    "dataset export --out something": "something is there already",
    "dataset export --out dangling": "dangling is a link to nothing",
    "adapter merge --version 2 --out dangling": "dangling is a link to nothing",
    "monitoring export --out something": "something is a file: name a folder",
    "creatives show ad --picture .": ". is a folder: name a file",
    "experiment report --html something/page": "something is a file, no folder",
    "evaluate --sheet sheet.foo": "sheet.foo: name a file that ends in .png",
    "evaluate --sheet .": "name a file that ends in .png",
    "evaluate --sheet folder.png": "folder.png is a folder: name a file",
    "evaluate --sheet something/sheet.png": "something is a file, no folder",
    "evaluate --data whole --sheet dangling.png": "dangling.png is a link to nothing",
    "adapter merge --out o": "give --version N, or --adapter FOLDER",
    "adapter merge --out o --adapter . --base .": "holds no ad generator",
    "adapter merge --out o --adapter .": "adapter_config.json is missing",
    "evaluate --data .": "holds no shards",
    "evaluate --base .": "--base judges on a data set",
    "train-round --workers 2": "--workers counts those of --ray",
    "serve --host 0.0.0.0": "so a key is needed",
}


@pytest.mark.slow
def test_what_is_wrong_is_told_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("quick")
    _fill(folder)
    before = set(folder.rglob("*"))
    asked = "\n".join(json.dumps(command.split()) for command in _REFUSED)
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM], input=asked, cwd=folder, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    for (command, words), (code, told, loaded) in zip(
        _REFUSED.items(), json.loads(ran.stdout.splitlines()[-1]), strict=True
    ):
        assert (code, loaded) == (2, []), (command, told)
        assert words in " ".join(told.split()), command
    assert set(folder.rglob("*")) == before


def _fill(folder: Path) -> None:
    """Files, folders and links that commands are given."""
    (folder / "something").touch()
    (folder / "folder.png").mkdir()
    for link, to in (("dangling", "nowhere"), ("dangling.png", "nowhere"), ("link", "folder.png")):
        (folder / link).symlink_to(to)
    for name, config in (("none-json", "{bad"), ("list", "[]")):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(config)
    for name, file in (("index", "model.safetensors.index.json"), ("damaged", "ad_generator.json")):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text('{"model_type": "janus"}')
        (folder / name / file).write_text("{bad")
    hollow_base(folder / "whole")
