"""The benchmarks run, and report what other programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adloom.loop.bench.generate import bench_generate, shaped_model
from adloom.loop.commands.app import app
from adloom.models.ad_generator import AdGenerator
from adloom.models.engine.guesses import WIDEST
from tests.models.public_janus import public_checkpoint
from tests.tiny_model import brief, products, tiny_model


def report(command: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, ["bench", command, "--quick", "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.slow
@pytest.mark.long
def test_stream(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = report("stream", monkeypatch, tmp_path)
    assert set(found["ratio_to_polling"]) == {"zipf", "uniform"}
    assert found["ratio_to_push"]["sqlite"] > 30
    assert found["ratio_to_push"]["redis"] is None or found["ratio_to_push"]["redis"] > 30
    assert 0 < found["freshness_p50_seconds"] <= found["freshness_p99_seconds"]


@pytest.mark.slow
def test_features(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    costs = report("features", monkeypatch, tmp_path)["microseconds_per_event"]
    assert set(costs["users"]) == {"1000", "10000"}
    assert set(costs["history"]) == {"16", "256"}


@pytest.mark.slow
@pytest.mark.long
def test_what_reads_the_log_does_not_slow_down_as_it_grows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = report("log", monkeypatch, tmp_path)
    members = found.pop("members")
    assert [(one["lost"], one["doubled"]) for one in members.values()] == [(0, 0)] * 2
    assert set(found) == {"round", "look", "labels", "histories", "studio", "report", "streams"}
    for one in found.values():
        assert set(one["events"]) == {"25000", "50000"}
        assert one["memory_ratio"] < 1.5


@pytest.mark.slow
def test_generate() -> None:
    found = bench_generate(tiny_model(), quick=True)
    assert set(found["speedup"]) == set(found["ads_per_second"]) == {"1", "8", "32"}
    assert set(found["speedup_vs_naive_batch"]) == {"8", "32"}
    assert found["mixed_adapter_cost"] < 1
    assert found["bound_ratio"] > 0
    assert all(found["transformers_ads_per_second"][n] > 0 for n in ("1", "8", "32"))
    assert all(found["ads_per_second_in_flight"][n] > 0 for n in ("8", "32"))
    for n, parts in found["seconds_by_part"].items():
        assert set(parts) == {"prompts", "steps", "pictures"}
        assert min(parts.values()) >= 0
        assert sum(parts.values()) == pytest.approx(int(n) / found["ads_per_second"][n], rel=0.5)
        assert 1 <= found["tokens_per_step"][n] <= WIDEST
    assert set(found["precision"]) == {"products", "pictures"}
    assert all(found["p50_latency_seconds"][n] > 0 for n in ("1", "8", "32"))


def test_a_base_of_a_shape_draws_by_weights_of_chance(tmp_path: Path) -> None:
    """Which are so large that hardly a guessed token comes true."""
    model = shaped_model(str(public_checkpoint(tmp_path / "janus")))
    generator = AdGenerator(model, rows=1)
    started = generator.start(brief(products()[0], 0), seeds=[1])
    generator.finish([started])
    [drawn] = started.result()
    assert len(drawn.codes) == model.config.image_tokens
    assert drawn.steps > 0.9 * model.config.image_tokens


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--shape", "janus-pro-3b"], "there is no folder 'janus-pro-3b'"),
        (["--shape", ""], "there is no folder ''"),
        (["--shape", "1b", "--untrained"], "give --shape or --untrained"),
    ],
)
def test_a_shape_that_is_none_is_told(
    given: list[str], told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["bench", "generate", *given])
    assert result.exit_code != 0
    assert told in result.output
    assert "Traceback" not in result.output
