"""What does the ad server sustain? `python -m tests.benchmarks.load_serve`

Starts `adloom serve` with the bundled model and a local broker, gives shoppers a history, and lets
Locust's visitors ask without a pause: so many at once, one level after another. Prints a table
and JSON. Needs the extra `bench`. Exits with 1 if a request failed otherwise than by 429.

With `--swap` the champion changes to and fro while the visitors ask; then it also exits with 1 if
the longest wait of a level was more than three times its median.

With `--engine` as many visitors ask as the server draws for at once, 32, and before and after them
the engine draws so many alone, with an adapter both: `of_engine` is the share of its rate that the
server has.

With `--pool` requests have a deadline of 150 ms: first 8 visitors at once meet a cold pool (then it
exits with 1 if an answer took more than 200 ms), then a warm one takes 200 requests a second, of
which one in twenty is for products that are drawn behind (1 if their p99 is above 50 ms).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tests.benchmarks.load_serve.engine import beside_engine
from tests.benchmarks.load_serve.levels import (
    MOST_TIMES_MEDIAN,
    add_what_drew,
    levels_of,
    swaps,
    table,
)
from tests.benchmarks.load_serve.pool import pool_levels
from tests.benchmarks.load_serve.running import running_server


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
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
            levels = levels_of(given.url, users, seconds, folder)
        else:
            with running_server(folder, given.replicas) as server, ExitStack() as parts:
                if given.swap:
                    parts.enter_context(swaps(folder))
                levels = levels_of(server.url, users, seconds, folder)
            add_what_drew(levels, folder)
    Console(stderr=True).print(table(levels))
    print(json.dumps({"seconds": seconds, "replicas": given.replicas, "levels": levels}, indent=2))
    slow = [level for level in levels if level["max_over_median"] > MOST_TIMES_MEDIAN]
    return 1 if any(level["errors"] for level in levels) or (given.swap and slow) else 0


if __name__ == "__main__":
    sys.exit(main())
