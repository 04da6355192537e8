"""Where ads are drawn: in a process of its own, or in the server's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from adloom.loop import home
from adloom.loop.serving.apart.generator import GeneratorApart
from adloom.loop.settings import Settings
from adloom.models.generates import Generates


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
    apart = GeneratorApart(given.path, given.device, rows=given.batch_size, threads=threads)
    parts.enter_context(apart)
    return DrawingPlace(apart, 1, lambda: apart.problem)
