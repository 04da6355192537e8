"""Rounds by several processes that torchrun started: the first does all that one does alone.

It plans, registers and judges; the others learn with it, and wait for it meanwhile.
"""

from __future__ import annotations

from typing import Literal

from adloom.loop.learning.rounds.learning_task import LearningTask, OnStep
from adloom.models.ad_generator import AdGenerator
from adloom.models.training.data_parallel import WorkerLost, from_first
from adloom.models.training.fine_tune import FineTuneResult

_Word = LearningTask | Literal["wait", "end"]
"""What the first process tells the others."""


class Together:
    """The first process and the others, as `Learners`."""

    def __init__(self) -> None:
        self.in_step = True
        """Whether the others listen: not after a task that failed half-way."""

    def learn(self, generator: AdGenerator, task: LearningTask, on_step: OnStep) -> FineTuneResult:
        """As `Learners` says."""
        self._tell(task)
        self.in_step = False
        result = task.run(generator, on_step)
        self.in_step = True
        return result

    def wait(self) -> None:
        """Tell the others that there is nothing to learn yet; unheard, they would give up."""
        if not self.in_step:
            raise WorkerLost("the processes that train together are out of step: start them again")
        self._tell("wait")

    def end(self) -> None:
        """Tell the others that it is over."""
        if self.in_step:
            self._tell("end")

    def _tell(self, word: _Word) -> None:
        from_first(word)


def learn_with_first(generator: AdGenerator) -> None:
    """What the others do until the first ends.

    Raises:
        WorkerLost: it has ended without a word, or another of them has.
    """
    listening: _Word = "wait"
    while (word := from_first(listening)) != "end":
        if isinstance(word, LearningTask):
            word.run(generator, lambda step, loss: None)
            for adapter in generator.adapters:
                generator.drop_adapter(adapter)
