"""What is wrong with options and folders is told before anything large is loaded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
    "base encode --data /none --pictures . --base . --out o": "/none: there is no such file",
    "base train --data . --base . --stage general --out o": "holds no shards",
    "base register .": "holds no ad generator",
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
    (folder / "something").touch()
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
