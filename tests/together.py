"""Processes of one machine that train together, each of which runs a function."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from multiprocessing import get_context

from adloom.models.training.data_parallel import join_world


def run_together(function: Callable[..., None], *arguments: object) -> list[int | None]:
    """Run it in two processes that have joined; how each of them ended."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [
        get_context("spawn").Process(target=_joined, args=(rank, port, function, *arguments))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _joined(rank: int, port: int, function: Callable[..., None], *arguments: object) -> None:
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    join_world()
    function(*arguments)
