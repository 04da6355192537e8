"""Two replicas behind one address, as `adloom serve --ray` starts them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from adloom.loop import home
from adloom.loop.learning.ray_cluster import CannotScaleOut
from adloom.loop.serving.replicas.scale_out import running_replicas
from adloom.loop.settings import Settings, SettingsError
from tests.loop_parts import keep_shop_ads, tiny_settings

_PATIENCE_SECONDS = 180.0
_COMMAND = "from adloom.loop.commands.app import app; app()"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = tiny_settings(tmp_path_factory.mktemp("replicas"))
    creatives = home.open_creatives(settings)
    keep_shop_ads(creatives, 3)
    creatives.close()
    return settings


@pytest.fixture
def server(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    pytest.importorskip("ray.serve", reason="Ray is not installed: pip install 'adloom[ray]'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "ADLOOM_HOME": str(settings.home),
        "ADLOOM_GENERATOR__PATH": str(settings.generator.path),
        "ADLOOM_RAY__MIN_REPLICAS": "2",
        "ADLOOM_RAY__MAX_REPLICAS": "2",
        "ADLOOM_RAY__CPUS": "0.5",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "serve", "--ray", "--port", str(port)], env=environment
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            _wait_until(lambda: process.poll() is not None or _ready(client))
            yield process, client
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(_PATIENCE_SECONDS)


@pytest.mark.slow
@pytest.mark.long
def test_two_replicas_draw_the_same_ads_and_share_what_is_clicked(
    server: tuple[subprocess.Popen[bytes], httpx.Client], settings: Settings
) -> None:
    process, client = server
    drawn: list[str] = []

    def ads_of_both(user: str, wanted: Callable[[Any], bool]) -> list[Any]:
        """Asks until both replicas have given an ad as it is wanted."""
        found: dict[str, Any] = {}

        def both() -> bool:
            body = {"user_id": user, "product_id": "running-shoes", "seed": 7}
            answer = client.post("/v1/ads", json=body)
            ad = answer.raise_for_status().json()
            drawn.append(ad["ad_id"])
            if wanted(ad):
                found[answer.headers["x-adloom-replica"]] = ad
            return len(found) == 2

        _wait_until(both)
        return list(found.values())

    one, other = ads_of_both("ann", lambda ad: True)
    assert one["ad_id"] != other["ad_id"]
    assert (one["title"], one["picture_url"]) == (other["title"], other["picture_url"])
    assert client.get(one["picture_url"]).status_code == 200

    click = {
        "event_id": "click-1",
        "ts": datetime.now(UTC).isoformat(),
        "user_id": "clicker",
        "item_id": "running-shoes",
        "ad_id": "shop-0-00001",
    }
    for _ in range(3):  # a page that is not sure sends again
        assert client.post("/v1/events", json={"clicks": [click]}).status_code == 202
    for ad in ads_of_both("clicker", lambda ad: ad["personalised"]):
        assert [past["ad_id"] for past in ad["history"]] == ["shop-0-00001"]

    process.send_signal(signal.SIGTERM)
    assert process.wait(_PATIENCE_SECONDS) == 0
    _wait_until(lambda: not _processes_with(f"ADLOOM_HOME={settings.home}"))
    with home.open_features(settings) as features:
        logged = features.log.read()
        assert features.user_stats(["clicker"])["clicker"].clicks == 1
    assert Counter(logged["kind"]) == {"click": 1, "exposure": len(drawn)}
    assert set(logged["ad_id"][logged["kind"] == "exposure"]) == set(drawn)


@pytest.mark.slow
def test_replicas_that_do_not_fit_are_told(settings: Settings) -> None:
    pytest.importorskip("ray.serve", reason="Ray is not installed: pip install 'adloom[ray]'")
    many = settings.ray.model_copy(update={"min_replicas": 10_000})
    with (
        pytest.raises(CannotScaleOut, match=r"ray\.min_replicas: 10000 replicas"),
        running_replicas(settings.model_copy(update={"ray": many}), "127.0.0.1", 0),
    ):
        pass


def test_a_cluster_needs_a_broker_that_all_replicas_reach(settings: Settings) -> None:
    cluster = settings.ray.model_copy(update={"address": "ray-head:6379"})
    with (
        pytest.raises(CannotScaleOut, match=r"bootstrap_servers|not installed"),
        running_replicas(settings.model_copy(update={"ray": cluster}), "127.0.0.1", 0),
    ):
        pass


def test_fewer_replicas_at_most_than_at_least_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ray: .*max_replicas is less than min_replicas"):
        tiny_settings(tmp_path, ray={"min_replicas": 3, "max_replicas": 2})


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _processes_with(variable: str) -> list[int]:
    """Processes that were started with this in their environment, or inherited it."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = environment.read_bytes().split(b"\0")
        except OSError:
            continue
        if variable.encode() in variables:
            found.append(int(environment.parent.name))
    return found


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
