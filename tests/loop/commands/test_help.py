"""What `--help` prints is what the source says, and it comes at once."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
from typer.testing import CliRunner

from adloom.loop.commands.app import app
from tests.loop.commands.tree import all_commands

_HEAVY = (
    "torch",
    "transformers",
    "feast",
    "mlflow",
    "pandas",
    "numpy",
    "pyarrow",
    "kafka",
    "faiss",
)
_FRAMES = re.compile(r"[\s`│╭╮╰╯─]+")
_WIDE = {"COLUMNS": "200", "TERMINAL_WIDTH": "200"}


def said(text: str) -> str:
    """A text without what the width of a terminal, or its markup, changes in it."""
    return _FRAMES.sub("", text)


def texts_of(command: Any) -> list[str]:
    options = [text for one in command.params if (text := getattr(one, "help", None))]
    return [*inspect.cleandoc(command.help or "").split("\n\n"), *options]


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_help_prints_what_the_source_says(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*words, "--help"], env=_WIDE)
    assert result.exit_code == 0
    for text in texts_of(all_commands()[words]):
        assert said(text) in said(result.stdout)


def test_help_and_version_load_nothing_heavy() -> None:
    look = (
        "import sys; from typer.testing import CliRunner; from adloom.loop.commands.app import app;"
        f"print([name for name in {_HEAVY} if name in sys.modules])"
    )
    asked = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"adloom {version('adloom')}\n")
