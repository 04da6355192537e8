"""What a round learns, for whichever processes learn it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from adloom.loop.learning.lineage import OtherBase
from adloom.models.ad_generator import AdGenerator
from adloom.models.settings import FineTuneSettings
from adloom.models.training.click_lessons import TrainingClicks
from adloom.models.training.fine_tune import FineTuneResult, fine_tune

OnStep = Callable[[int, float], None]
"""Is called with each step (from 1) and its loss."""


@dataclass(frozen=True)
class LearningTask:
    """All that a process needs beside the base, and it may be sent to one.

    Attributes:
        base: names the base.
        parent: name of the adapter that it starts from; None: the base.
        adapter: folder of that adapter.
        clicks: what is learnt from.
        settings: how.
        out: folder of the round, which all processes reach.
    """

    base: str
    parent: str | None
    adapter: Path | None
    clicks: TrainingClicks
    settings: FineTuneSettings
    out: Path

    def run(self, generator: AdGenerator, on_step: OnStep) -> FineTuneResult:
        """Learn, with those that train together; see `fine_tune` for what is raised.

        Raises:
            OtherBase: the generator is not of the base.
        """
        if generator.base_name != self.base:
            raise OtherBase(
                f"a process that trains with others has the base {generator.base_name}, they have "
                f"{self.base}: see generator.path where it runs"
            )
        if self.parent is not None and self.adapter is not None:
            generator.load_adapter(self.parent, self.adapter)
        return fine_tune(
            generator,
            self.clicks,
            settings=self.settings,
            out=self.out,
            parent=self.parent,
            on_step=on_step,
        )


class Learners(Protocol):
    """The processes that learn rounds."""

    def learn(self, generator: AdGenerator, task: LearningTask, on_step: OnStep) -> FineTuneResult:
        """Do a task; its adapter is loaded and active in ``generator`` afterwards.

        Raises:
            WorkerLost: one of them has ended; what was learnt up to its checkpoint is kept.
        """

    def wait(self) -> None:
        """There is nothing to learn yet.

        Raises:
            WorkerLost: they do not listen any more, and have to be started anew.
        """


class ThisProcess:
    """Learns by itself."""

    def learn(self, generator: AdGenerator, task: LearningTask, on_step: OnStep) -> FineTuneResult:
        """As `Learners` says."""
        return task.run(generator, on_step)

    def wait(self) -> None:
        """Nobody else does."""
