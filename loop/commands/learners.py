"""Who learns the rounds of `adloom train-round`: this process, torchrun's, or Ray's workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from adloom.loop.commands.errors import fail
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.loop.learning.rounds.learning_task import Learners


def refuse_both(ray: bool, workers: int | None) -> None:
    """Options that say nothing together end the command."""
    if workers is not None and not ray:
        fail("--workers counts those of --ray; else: torchrun --no-python --nproc-per-node N ...")
    if ray and _started_together():
        fail("--ray starts its workers itself: leave torchrun out, or --ray")


def learns_with_first(settings: Settings) -> bool:
    """Learn with the first of several processes until it ends; False where this one is first.

    Raises:
        WorkerLost: one of them has ended without a word.
    """
    if not _started_together():
        return False
    from adloom.models.training.data_parallel import join_world, rank

    join_world()
    if rank() == 0:
        return False
    from adloom.loop import home
    from adloom.loop.learning.rounds.together import learn_with_first

    learn_with_first(home.load_generator(settings))
    return True


@contextmanager
def learners(settings: Settings, ray: bool, workers: int | None) -> Iterator[Learners]:
    """The processes that learn, while the block runs.

    Raises:
        CannotScaleOut: Ray cannot be used.
    """
    from adloom.loop.learning.rounds.learning_task import ThisProcess

    if ray:
        from adloom.loop.learning.rounds.by_ray import ray_workers

        drawing = settings.generator
        with ray_workers(settings.ray, drawing.path, drawing.device, workers) as found:
            yield found
    elif _started_together():
        from adloom.loop.learning.rounds.together import Together

        together = Together()
        try:
            yield together
        finally:
            together.end()
    else:
        yield ThisProcess()


def _started_together() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1
