"""Processes of one machine that train together, each of which runs a function."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from adloom.models.training.data_parallel import join_world
from tests.forking import processes


def run_together(function: Callable[..., None], *arguments: object) -> list[int | None]:
    """Run it in two processes that have joined; how each of them ended."""
    return launch_two(_joined, function, *arguments)


def launch_two(function: Callable[..., None], *arguments: object) -> list[int | None]:
    """The same, as torchrun does it: each is told by variables who it is, and has to join."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = [
        processes.Process(target=_launched, args=(rank, port, function, *arguments))
        for rank in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join()
    return [process.exitcode for process in both]


def _launched(rank: int, port: int, function: Callable[..., None], *arguments: object) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    function(*arguments)


def _joined(function: Callable[..., None], *arguments: object) -> None:
    join_world()
    function(*arguments)
