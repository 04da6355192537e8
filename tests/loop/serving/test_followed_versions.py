"""What serves was loaded, fits, and drew an ad; what cannot leaves the old one serving, told."""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from mlflow import MlflowClient
from safetensors.torch import load_file, save_file

from adloom.loop.learning.registry import AdRegistry
from adloom.loop.serving.app import create_app
from adloom.loop.serving.server import AdServer
from adloom.loop.settings import Settings
from tests.loop_parts import (
    adapter_folder,
    hand_made_registry,
    register_by_hand,
    tiny_settings,
)

AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}
LORA, CONFIG = "adapter_model.safetensors", "adapter_config.json"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return tiny_settings(tmp_path_factory.mktemp("followed"), serve={"follow_seconds": 0.05})


@pytest.fixture(scope="module")
def registry(settings: Settings) -> AdRegistry:
    return hand_made_registry(settings)


@pytest.fixture(scope="module")
def adapter(settings: Settings) -> Path:
    return adapter_folder(settings, "good")


@pytest.fixture(scope="module")
def good(settings: Settings, registry: AdRegistry, adapter: Path) -> int:
    return register_by_hand(settings, registry, adapter)


@pytest.fixture(scope="module")
def client(settings: Settings, registry: AdRegistry, good: int) -> Iterator[TestClient]:
    registry.promote(good)
    with TestClient(create_app(settings)) as client:
        yield client


def parts(client: TestClient) -> AdServer:
    server: AdServer = client.app.state.server  # type: ignore[attr-defined]
    return server


def mlflow_client(registry: AdRegistry) -> MlflowClient:
    return MlflowClient(registry.tracking_uri)


def another_module(folder: Path) -> None:
    told = json.loads((folder / CONFIG).read_text())
    told["target_modules"] = ["q_proj", "gate_proj"]
    (folder / CONFIG).write_text(json.dumps(told))


def not_finite(folder: Path) -> None:
    weights = load_file(folder / LORA)
    weights[min(weights)].fill_(float("nan"))
    save_file(weights, folder / LORA)


def too_large_to_draw(folder: Path) -> None:
    """Finite, and yet no prompt survives it: only a drawn ad can tell."""
    weights = load_file(folder / LORA)
    save_file({key: torch.full_like(w, 9e5) for key, w in weights.items()}, folder / LORA)
    told = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(told | {"lora_alpha": 9e5}))


def truncated(folder: Path) -> None:
    content = (folder / LORA).read_bytes()
    (folder / LORA).write_bytes(content[: len(content) // 2])


def file_missing(folder: Path) -> None:
    (folder / LORA).unlink()


def no_adapter(folder: Path) -> None:
    shutil.rmtree(folder)


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gauge(client: TestClient, series: str) -> float | None:
    found = re.search(rf"^{re.escape(series)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return None if found is None else float(found[1])


BROKEN = [another_module, not_finite, too_large_to_draw, truncated, file_missing, no_adapter]


@pytest.mark.parametrize("breaking", BROKEN)
def test_a_broken_champion_does_not_take_over(
    client: TestClient,
    settings: Settings,
    registry: AdRegistry,
    adapter: Path,
    good: int,
    breaking: Callable[[Path], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = client.post("/v1/ads", json=AD).json()
    broken = register_by_hand(settings, registry, adapter, breaking)
    with caplog.at_level(logging.WARNING, "adloom.serve"):
        registry.promote(broken)
        until(lambda: "problem" in client.get("/readyz").json())
        after = client.post("/v1/ads", json=AD)
        assert after.status_code == 200
        assert (after.json()["model_version"], after.json()["title"]) == (
            str(good),
            before["title"],
        )
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["version"] == str(good)
        assert f"version {broken}" in ready.json()["problem"]
        assert gauge(client, 'adloom_alias_followed{alias="champion"}') == 0
        time.sleep(0.3)  # many looks
        told = [line for line in caplog.messages if f"version {broken} " in line]
        assert len(told) == 1
    until(lambda: len(parts(client).maker.generator.adapters) == 1)  # but while it is tried again
    registry.promote(good)
    until(lambda: "problem" not in client.get("/readyz").json())
    assert gauge(client, 'adloom_alias_followed{alias="champion"}') == 1
    assert gauge(client, f'adloom_version_served{{alias="champion",version="{good}"}}') == 1


def test_what_serves_goes_on_when_its_version_is_deleted(
    client: TestClient, settings: Settings, registry: AdRegistry, adapter: Path, good: int
) -> None:
    passing = register_by_hand(settings, registry, adapter)
    registry.promote(passing)
    until(lambda: client.get("/readyz").json()["version"] == str(passing))
    mlflow_client(registry).delete_model_version(settings.mlflow.model_name, str(passing))
    until(lambda: "adloom promote" in client.get("/readyz").json().get("problem", ""))
    assert client.post("/v1/ads", json=AD).json()["model_version"] == str(passing)
    registry.promote(good)
    until(lambda: client.get("/readyz").json() == {"status": "ready", "version": str(good)})


def test_a_version_is_tried_between_the_ads_that_are_wanted(
    client: TestClient, settings: Settings, registry: AdRegistry, adapter: Path, good: int
) -> None:
    """Its trial joins the batch: nobody waits for it, and it leaves no ad behind."""
    passing = register_by_hand(settings, registry, adapter)
    registry.promote(passing)
    asked = 0
    while client.get("/readyz").json()["version"] != str(passing):
        assert client.post("/v1/ads", json=AD | {"seed": asked}).status_code == 200
        asked += 1
    pictures = set(settings.home.rglob("*.png"))
    registry.promote(good)
    until(lambda: client.get("/readyz").json()["version"] == str(good))
    assert set(settings.home.rglob("*.png")) == pictures
