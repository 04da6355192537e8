"""As many visitors as the server draws for at once, beside the engine alone."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from adloom.loop import home
from adloom.loop.bench.generate import engine_rate
from adloom.loop.settings import Settings
from adloom.models.ad_generator import AdGenerator
from tests.benchmarks.load_serve.levels import add_what_drew, levels_of, loaded
from tests.benchmarks.load_serve.running import running_server
from tests.loop_parts import register_adapter

_USERS = 32
_PATIENCE_SECONDS = 60.0


def beside_engine(seconds: int) -> int:
    """What the server gives 32 visitors, and its engine alone before and after them; prints it."""
    at_once = {
        "ADLOOM_SERVE__MAX_BATCH": str(_USERS),
        "ADLOOM_GENERATOR__BATCH_SIZE": str(_USERS),
    }
    alone = [_alone(seconds / 2)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_server(folder, None, at_once) as server:
            levels_of(server.url, [], seconds, folder)
            _serve_adapter(server.url, folder)
            spent = server.cpu_seconds()
            level = loaded(server.url, _USERS, seconds, folder)
            now = server.cpu_seconds()
        add_what_drew([level], folder)
    alone.append(_alone(seconds / 2))
    rate, cpu = (statistics.mean(each) for each in zip(*alone, strict=True))
    level["cpu_seconds_per_ad"] = {part: (now[part] - spent[part]) / level["ads"] for part in now}
    engine = {"ads_per_second": rate, "cpu_seconds_per_ad": cpu}
    share = level["ads_per_second"] / rate
    told = {"seconds": seconds, "server": level, "engine": engine, "of_engine": share}
    print(json.dumps(told, indent=2))
    return int(bool(level["errors"]))


def _serve_adapter(url: str, folder: Path) -> None:
    """Until the server draws with one, as `bench generate` does; its ads are as good."""
    settings = Settings(home=folder / "home")
    registry = home.registry_with_base(settings)
    version = register_adapter(settings, registry, "loaded", std=0.01, rank=16)
    registry.promote(version)
    until = time.monotonic() + _PATIENCE_SECONDS
    while (told := httpx.get(f"{url}/readyz").json())["version"] != str(version):
        if time.monotonic() > until:
            raise RuntimeError(f"version {version} is not served: {told}")
        time.sleep(0.5)


def _alone(seconds: float) -> tuple[float, float]:
    """Ads a second of the engine, and CPU seconds an ad."""
    model = AdGenerator.from_pretrained().model
    began, spent = time.perf_counter(), time.process_time()
    rate = engine_rate(model, _USERS, seconds)
    drawn = rate * (time.perf_counter() - began)
    return rate, (time.process_time() - spent) / drawn
