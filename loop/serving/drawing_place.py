"""Where ads are drawn: in processes of their own, or in the server's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import torch

from adloom.loop import home
from adloom.loop.serving.apart.generator import GeneratorApart
from adloom.loop.settings import Settings
from adloom.models.generates import Generates
from adloom.models.generator import DEMO_MODEL

_SMALL_BYTES = 256_000_000
_MOST_PROCESSES = 4  # some 400 MB each


@dataclass(frozen=True)
class DrawingPlace:
    """What draws, the threads that stepping it takes in this process, and what is wrong with it."""

    generator: Generates
    threads: int
    problem: Callable[[], str | None]


def place_to_draw(settings: Settings, parts: ExitStack, threads: int) -> DrawingPlace:
    """As `serve.drawing` says, on ``threads``; a process of its own loads on when this returns.

    ``parts`` ends it. Raises what loading raises.
    """
    if settings.serve.drawing == "here":
        return DrawingPlace(home.load_generator(settings), threads, lambda: None)
    given = settings.generator
    processes = settings.serve.drawing_processes or _processes(settings, threads)
    apart = GeneratorApart(
        given.path,
        given.device,
        rows=given.batch_size,
        threads=max(1, threads // processes),
        processes=processes,
        int8=given.int8,
    )
    parts.enter_context(apart)
    return DrawingPlace(apart, 1, lambda: apart.problem)


def _processes(settings: Settings, threads: int) -> int:
    """Threads of one process wait for one another at every step; processes do not."""
    given = settings.generator
    on_cpu = given.device == "cpu" or (given.device is None and not torch.cuda.is_available())
    weights = (given.path or DEMO_MODEL).glob("*.safetensors")
    small = sum(file.stat().st_size for file in weights) <= _SMALL_BYTES
    return min(threads, _MOST_PROCESSES) if on_cpu and small else 1
