"""`adloom base plan` says what fits, and what would, and loads nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adloom.loop.commands.app import app


def planned(words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["base", "plan", *words.split(), "--json"])
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


@pytest.fixture(scope="module")
def roomy() -> dict[str, Any]:
    return planned("--janus 1b --batch 2 --memory 200GB")


def test_the_real_size_is_planned_by_part_without_its_weights(roomy: dict[str, Any]) -> None:
    parts = roomy["training"]["ddp"]["parts"]
    assert parts["janus"] == pytest.approx(4.30e9, rel=0.01)  # 2.08 billion, the VQ model float32
    assert parts["activations"] > 3 * 2**30
    assert roomy["training"]["ddp"]["total"] == sum(parts.values())
    assert roomy["training"]["ddp"]["fits"]
    assert roomy["serving"]["fits"]
    assert (roomy["advice"], roomy["rows"]) == (None, None)


def test_what_would_make_it_fit_is_told(roomy: dict[str, Any]) -> None:
    short = roomy["training"]["ddp"]["total"] - 2**30
    told = planned(f"--janus 1b --batch 2 --memory {short}B")
    assert not told["training"]["ddp"]["fits"]
    assert told["advice"] == "--checkpointing"


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({}, "vq_config.projection_dim is 2048, where the others call for 4096"),
        ({"text_config": {"hidden_size": 4000}}, "Class validation error"),
        (
            {
                "text_config": {"hidden_size": 2048},
                "vision_config": {"image_size": 96, "patch_size": 12},
            },
            "vq_config.num_patches is 8, where the others call for 6",
        ),
        ({"text_config": {"hidden_size": "wide"}}, "hidden_size"),
        ({"text_config": {"hidden_size": 2048, "num_attention_heads": 3}}, "attention heads (3)"),
    ],
)
def test_a_description_that_is_of_no_base_is_told(
    tmp_path: Path, described: dict[str, Any], words: str
) -> None:
    told = json.dumps({"model_type": "janus", **described})
    (tmp_path / "config.json").write_text(told)
    result = CliRunner().invoke(app, ["base", "plan", "--janus", str(tmp_path)])
    assert result.exit_code == 2, (result.output, result.exception)
    line = result.stderr.splitlines()[-1]
    assert line.startswith(f"Error: {tmp_path}: ")
    assert words in line
