"""What does the ad server sustain? `python -m tests.benchmarks.load_serve`

Starts `adloom serve` with the bundled model and a local broker, gives shoppers a history, and lets
Locust's visitors ask without a pause: so many at once, one level after another. Prints a table
and JSON. Needs the extra `bench`. Exits with 1 if a request failed otherwise than by 429.

With `--swap` the champion changes to and fro while the visitors ask; then it also exits with 1 if
the longest wait of a level was more than three times its median.

With `--engine` as many visitors ask as the server draws for at once, 32, and after them the engine
draws so many alone: `of_engine` is the share of its rate that the server has.

With `--pool` requests have a deadline of 150 ms: first 8 visitors at once meet a cold pool (then it
exits with 1 if an answer took more than 200 ms), then a warm one takes 200 requests a second, of
which one in twenty is for products that are drawn behind (1 if their p99 is above 50 ms).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from adloom.loop import home
from adloom.loop.bench.generate import engine_rate
from adloom.loop.settings import Settings
from adloom.models.ad_generator import AdGenerator
from tests.benchmarks.load_shoppers import (
    DEADLINE_VARIABLE,
    RATE_VARIABLE,
    RESULT_VARIABLE,
    WARM_VARIABLE,
    give_histories,
    warm_up,
)
from tests.loop_parts import register_adapter
from tests.stocked import stocked

_START_SECONDS = 180.0
_SWAP_EVERY_SECONDS = 6.0
_MOST_TIMES_MEDIAN = 3.0
_DEADLINE_MS = 150
_ENGINE_USERS = 32
_COLD_USERS, _COLD_MOST_SECONDS = 8, 0.2
_WARM_USERS, _WARM_RATE, _WARM_PRODUCTS = 16, 200.0, 8
_WARM_P99_SECONDS, _WARM_HELD = 0.05, 0.98
_ROOT = Path(__file__).parents[2]
_PATHS = f"{_ROOT / '.package'}:{_ROOT}"


@contextmanager
def running_server(
    folder: Path, replicas: int | None, told: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """`adloom serve` as a process with all it keeps under ``folder``; the URL of it.

    Args:
        told: goes into its environment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from adloom.loop.commands.app import app; app()", "serve"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ADLOOM_")
    } | {
        "ADLOOM_HOME": str(stocked(folder / "home")),
        "ADLOOM_SERVE__RATE_LIMIT": "1000000/minute",  # all visitors have one address
        "PYTHONPATH": f"{_ROOT / '.package'}:{_ROOT}",
        **told,
    }
    if replicas is not None:
        command.append("--ray")
        environment |= {f"ADLOOM_RAY__{end}_REPLICAS": str(replicas) for end in ("MIN", "MAX")}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)], cwd=folder, env=environment, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, server, folder / "server.log")
            yield url
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start: {log.read_text()[-2_000:]}")


def loaded(
    url: str,
    users: int,
    seconds: int,
    folder: Path,
    visitors: str = "visitors",
    told: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """What ``users`` at once were given in ``seconds``; see `tests.benchmarks.visitors`.

    Args:
        visitors: module that has them; ``told`` goes into its environment.
    """
    result = folder / f"{users}.json"
    command = ["locust", "-f", str(_ROOT / f"tests/benchmarks/{visitors}.py"), "--host", url]
    command += ["--headless", "-u", str(users), "-r", str(users), "-t", f"{seconds}s"]
    # Who has asked still gets an answer: nothing is drawn for nobody in the next level.
    command += ["--stop-timeout", "60", "--loglevel", "ERROR", "--exit-code-on-error", "0"]
    environment = os.environ | {RESULT_VARIABLE: str(result), "PYTHONPATH": _PATHS, **told}
    began = datetime.now(UTC)
    run = subprocess.run(
        [sys.executable, "-m", *command], env=environment, capture_output=True, text=True
    )
    if run.returncode != 0:
        raise RuntimeError(f"Locust ended with {run.returncode}: {run.stderr[-2_000:]}")
    window = {"since": began.isoformat(), "until": datetime.now(UTC).isoformat()}
    level = json.loads(result.read_text())
    level["max_over_median"] = level["max_seconds"] / level["p50_seconds"]
    return {"users": users, **level, **window}


def add_what_drew(levels: list[dict[str, Any]], folder: Path) -> None:
    """Adds how many ads were drawn together and by which versions, from the exposures' log."""
    log = home.open_log(Settings(home=folder / "home"))
    for level in levels:
        since, until = (datetime.fromisoformat(level.pop(end)) for end in ("since", "until"))
        contexts = log.read("exposure", since=since, until=until)["context"]
        told = [json.loads(context) for context in contexts]
        together = [context["drawn_together"] for context in told]
        level["versions"] = sorted({context["version"] for context in told})
        level["mean_batch"] = sum(together) / len(together) if together else None
    log.close()


@contextmanager
def swaps(folder: Path) -> Iterator[None]:
    """Version 2, with an adapter of its own, and version 1 are champion in turn."""
    settings = Settings(home=folder / "home")
    registry = home.registry_with_base(settings)
    register_adapter(settings, registry, "swapped")
    stop = threading.Event()

    def swap() -> None:
        while not stop.wait(_SWAP_EVERY_SECONDS):
            registry.promote(3 - registry.champion().number)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def table(levels: list[dict[str, Any]]) -> Table:
    """The levels, one a row."""
    heads = ("p50 s", "p95 s", "p99 s", "max s", "Ads", "429", "Errors", "Batch", "Versions")
    shown = Table("Users", "Ads/s", *heads)
    for level in levels:
        latencies = (f"{level[f'{at}_seconds']:.2f}" for at in ("p50", "p95", "p99", "max"))
        counts = (str(level[name]) for name in ("ads", "turned_away_429", "errors"))
        batch = level.get("mean_batch")
        shown.add_row(
            str(level["users"]),
            f"{level['ads_per_second']:.2f}",
            *latencies,
            *counts,
            "" if batch is None else f"{batch:.1f}",
            " ".join(level.get("versions", ())),
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[1, 8, 32], help="at once")
    parser.add_argument("--seconds", type=int, default=30, help="of each level")
    parser.add_argument("--replicas", type=int, help="on Ray; none: one server without Ray")
    parser.add_argument("--url", help="of a running server instead; it gets events of load-NN")
    parser.add_argument("--swap", action="store_true", help="change the champion under the load")
    parser.add_argument(
        "--pool", action="store_true", help="with a deadline: a cold pool, then a warm one"
    )
    parser.add_argument(
        "--engine", action="store_true", help="32 at once, and the engine alone after them"
    )
    parser.add_argument("--quick", action="store_true", help="two short levels: a first look")
    given = parser.parse_args()
    if given.swap and given.url:
        parser.error("--swap needs the registry of a server of its own")
    users, seconds = ([1, 8], 8) if given.quick else (given.users, given.seconds)
    if given.pool:
        return pool_levels(seconds)
    if given.engine:
        return beside_engine(seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.url:
            levels = _levels(given.url, users, seconds, folder)
        else:
            with running_server(folder, given.replicas) as url, ExitStack() as parts:
                if given.swap:
                    parts.enter_context(swaps(folder))
                levels = _levels(url, users, seconds, folder)
            add_what_drew(levels, folder)
    Console(stderr=True).print(table(levels))
    print(json.dumps({"seconds": seconds, "replicas": given.replicas, "levels": levels}, indent=2))
    slow = [level for level in levels if level["max_over_median"] > _MOST_TIMES_MEDIAN]
    return 1 if any(level["errors"] for level in levels) or (given.swap and slow) else 0


def beside_engine(seconds: int) -> int:
    """What the server gives 32 visitors, and what its engine gives alone; prints both."""
    at_once = {
        "ADLOOM_SERVE__MAX_BATCH": str(_ENGINE_USERS),
        "ADLOOM_GENERATOR__BATCH_SIZE": str(_ENGINE_USERS),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_server(folder, None, at_once) as url:
            [level] = _levels(url, [_ENGINE_USERS], seconds, folder)
        add_what_drew([level], folder)
    alone = engine_rate(AdGenerator.from_pretrained().model, _ENGINE_USERS, seconds)
    share = level["ads_per_second"] / alone
    told = {"seconds": seconds, "server": level, "engine_ads_per_second": alone}
    print(json.dumps({**told, "of_engine": share}, indent=2))
    return int(bool(level["errors"]))


def pool_levels(seconds: int) -> int:
    """Requests with a deadline, to a cold pool and to a warm one; prints them, 1 if one is late."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_server(folder, None) as url:
            with httpx.Client(base_url=url, timeout=120) as client:
                give_histories(client)
            cold = _in_time(url, _COLD_USERS, seconds, folder, rate=1000.0, warm=0)
            with httpx.Client(base_url=url, timeout=120) as client:
                warm_up(client, _WARM_PRODUCTS)
            rate = _WARM_RATE / _WARM_USERS
            warm = _in_time(url, _WARM_USERS, seconds, folder, rate=rate, warm=_WARM_PRODUCTS)
    for one in (cold, warm):  # whoever is turned away got no ad
        one["errors"] += one.pop("turned_away_429")
    cold |= {"late": cold["max_seconds"] > _COLD_MOST_SECONDS}
    warm |= {"late": warm["p99_seconds"] > _WARM_P99_SECONDS}
    slow = warm["requests_per_second"] < _WARM_HELD * _WARM_RATE
    print(json.dumps({"seconds": seconds, "cold": cold, "warm": warm, "held": not slow}, indent=2))
    return int(slow or any(one["late"] or one["errors"] for one in (cold, warm)))


def _in_time(
    url: str, users: int, seconds: int, folder: Path, *, rate: float, warm: int
) -> dict[str, Any]:
    told = {
        RATE_VARIABLE: str(rate),
        WARM_VARIABLE: str(warm),
        DEADLINE_VARIABLE: str(_DEADLINE_MS),
    }
    drew = _drawn(url)
    level = loaded(url, users, seconds, folder, "pool_visitors", told)
    level["requests_per_second"] = level.pop("ads_per_second")
    level["drawn_behind_per_second"] = (_drawn(url) - drew) / seconds
    for end in ("since", "until"):
        del level[end]
    return level


def _drawn(url: str) -> float:
    """Ads that the server has drawn so far."""
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if line.startswith("adloom_ad_seconds_count"):
            return float(line.split()[-1])
    return 0.0


def _levels(url: str, users: list[int], seconds: int, folder: Path) -> list[dict[str, Any]]:
    with httpx.Client(base_url=url, timeout=120) as client:
        give_histories(client)
    return [loaded(url, n, seconds, folder) for n in users]


if __name__ == "__main__":
    sys.exit(main())
