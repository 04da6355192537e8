"""What serves was loaded, fits, and drew an ad; what cannot leaves the old one serving, told."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from mlflow import MlflowClient

from adloom.loop.learning.registry import AdRegistry
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from tests.loop_parts import (
    adapter_folder,
    hand_made_registry,
    register_by_hand,
    server_of,
    tiny_settings,
)
from tests.serving_world.adapters import BROKEN

AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}


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


def mlflow_client(registry: AdRegistry) -> MlflowClient:
    return MlflowClient(registry.tracking_uri)


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gauge(client: TestClient, series: str) -> float | None:
    found = re.search(rf"^{re.escape(series)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return None if found is None else float(found[1])


@pytest.mark.parametrize("breaking", BROKEN.values(), ids=BROKEN)
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
    until(
        lambda: len(server_of(client).maker.generator.adapters) == 1
    )  # but while it is tried again
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
    pictures = set(settings.home.rglob("*.webp"))
    registry.promote(good)
    until(lambda: client.get("/readyz").json()["version"] == str(good))
    assert set(settings.home.rglob("*.webp")) == pictures
