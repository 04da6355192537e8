"""Ads that the engine draws from their briefs: a batch, and where its time goes; or one after
another while others are under way."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import torch

from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief
from adloom.models.engine import Drawn


@dataclass(frozen=True)
class Met:
    """An ad of a batch: seconds from the start of the batch to its picture, its steps, and how
    many tokens each of them drew."""

    seconds: float
    steps: int
    tokens_each: float


@dataclass(frozen=True)
class Parts:
    """Seconds of a batch: reading its prompts, its steps, and from codes to finished pictures."""

    prompts: float
    steps: float
    pictures: float


def draw_batch(
    generator: AdGenerator,
    asks: Sequence[tuple[AdBrief, str | None]],
    met: list[Met] | None = None,
    parts: list[Parts] | None = None,
) -> None:
    """All of `asks` at once; an ad's latency ends with its picture."""
    began = time.perf_counter()
    waiting: dict[Future[list[Drawn]], AdBrief] = {
        generator.start(brief, seeds=[seed], adapter=adapter): brief
        for seed, (brief, adapter) in enumerate(asks)
    }
    # An empty batch takes in all that wait: the first step reads every prompt, and then steps.
    first, second = (timed(generator.step) for _ in range(2))
    pictures = 0.0
    while waiting:
        generator.step()
        for future in [f for f in waiting if f.done()]:
            [drawn] = future.result()
            pictures += timed(generator.draft, drawn, waiting.pop(future))
            if met is not None:
                tokens = len(drawn.title) + 1 + len(drawn.codes)
                seconds = time.perf_counter() - began
                met.append(Met(seconds, drawn.steps, tokens / drawn.steps))
    if parts is not None:
        whole, prompts = time.perf_counter() - began, max(0.0, first - second)
        parts.append(Parts(prompts, whole - prompts - pictures, pictures))


def rate_in_flight(
    generator: AdGenerator, asks: Sequence[tuple[AdBrief, str | None]], at_once: int, ads: int
) -> float:
    """Ads a second while ``at_once`` are always under way, over so many ``ads``: as one ends, the
    next begins, so that each is at another step."""
    coming, seeds = itertools.cycle(asks), itertools.count()
    waiting: dict[Future[list[Drawn]], AdBrief] = {}
    drawn, began = 0, 0.0
    while drawn < at_once + ads:
        while len(waiting) < at_once:
            brief, adapter = next(coming)
            waiting[generator.start(brief, seeds=[next(seeds)], adapter=adapter)] = brief
            if drawn == 0:  # the first ones begin apart
                generator.step()
                generator.step()
        generator.step()
        for future in [f for f in waiting if f.done()]:
            generator.draft(future.result()[0], waiting.pop(future))
            drawn += 1
            if drawn == at_once:
                began = time.perf_counter()
    spent = time.perf_counter() - began
    generator.finish(list(waiting))
    return ads / spent


def timed(work: Callable[..., Any], *given: Any) -> float:
    """Seconds that ``work`` takes, what it left to a GPU too."""
    began = time.perf_counter()
    work(*given)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began
