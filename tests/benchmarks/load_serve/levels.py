"""So many visitors at once, one level after another, and what they were given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
from rich.table import Table

from adloom.loop import home
from adloom.loop.settings import Settings
from tests.benchmarks.load_serve.running import PATHS, ROOT
from tests.benchmarks.load_shoppers import RESULT_VARIABLE, give_histories
from tests.loop_parts import register_adapter

MOST_TIMES_MEDIAN = 3.0
"""The longest wait that is let pass while the champion changes."""
_SWAP_EVERY_SECONDS = 6.0


def levels_of(url: str, users: list[int], seconds: int, folder: Path) -> list[dict[str, Any]]:
    """The levels, once every shopper has a history."""
    with httpx.Client(base_url=url, timeout=120) as client:
        give_histories(client)
    return [loaded(url, n, seconds, folder) for n in users]


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
    command = ["locust", "-f", str(ROOT / f"tests/benchmarks/{visitors}.py"), "--host", url]
    command += ["--headless", "-u", str(users), "-r", str(users), "-t", f"{seconds}s"]
    # Who has asked still gets an answer: nothing is drawn for nobody in the next level.
    command += ["--stop-timeout", "60", "--loglevel", "ERROR", "--exit-code-on-error", "0"]
    environment = os.environ | {RESULT_VARIABLE: str(result), "PYTHONPATH": PATHS, **told}
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
    register_adapter(settings, registry, "swapped", std=0.02)  # of as good ads
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
