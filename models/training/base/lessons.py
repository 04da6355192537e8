"""What each step of a base's training learns from: a function of the step and the process."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import torch

from adloom.models.brief import Example
from adloom.models.config import AdGeneratorConfig
from adloom.models.training.base.plan import BasePlan
from adloom.models.training.base.records import ShuffledRecords

_AHEAD = 2
"""Batches that are read while one is learnt from."""


@dataclass(frozen=True)
class Lesson:
    """A batch, with what is hidden of it.

    Attributes:
        examples: the ads.
        blank: of each, whether it teaches the blank prompt of the guidance.
        noise: of each, the share of tokens that are random where they are context.
        seed: of what else is drawn.
    """

    examples: Sequence[Example]
    blank: tuple[bool, ...]
    noise: tuple[float, ...]
    seed: int

    def hidden(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """``blank`` and ``noise`` on a device, bool and float ``(n,)``."""
        return torch.tensor(self.blank, device=device), torch.tensor(self.noise, device=device)


@dataclass(frozen=True)
class Lessons:
    """Deals the records among ``world`` processes, of which this one is ``rank``."""

    records: ShuffledRecords
    plan: BasePlan
    config: AdGeneratorConfig
    rank: int
    world: int

    def after(self, step: int) -> Iterator[Lesson]:
        """Batches from the first one after ``step`` on, each read while others are learnt from."""
        first, last = step * self.plan.accumulate, self.plan.steps * self.plan.accumulate
        with ThreadPoolExecutor(1) as reader:
            pending = [
                reader.submit(self._batch, n) for n in range(first, min(first + _AHEAD, last))
            ]
            for number in range(first, last):
                lesson = pending.pop(0).result()
                if number + _AHEAD < last:
                    pending.append(reader.submit(self._batch, number + _AHEAD))
                yield lesson

    def _batch(self, number: int) -> Lesson:
        plan = self.plan
        start = number * plan.batch * self.world + self.rank
        history = self.config.history_items if plan.stage == "personal" else 0
        positions = range(start, start + plan.batch * self.world, self.world)
        examples = [self.records.example(position, history) for position in positions]
        draw = random.Random(f"{plan.seed}/{number}/{self.rank} of {self.world}")
        dropped = self.config.condition_dropout
        return Lesson(
            examples,
            tuple(draw.random() < dropped for _ in examples),
            tuple(draw.random() if draw.random() < plan.hidden_context else 0.0 for _ in examples),
            draw.getrandbits(62),
        )


def heldout_examples(
    records: ShuffledRecords, plan: BasePlan, config: AdGeneratorConfig
) -> list[Example]:
    """The held-out ads that a training looks at, the same each time, with the stage's histories."""
    history = config.history_items if plan.stage == "personal" else 0
    return [records.example(n, history) for n in range(min(plan.heldout, len(records)))]


def by_step(lessons: Iterable[Lesson], accumulate: int) -> Iterator[list[Lesson]]:
    """Batches of each step."""
    dealt = iter(lessons)
    while batches := list(islice(dealt, accumulate)):
        yield batches
