"""A training from its order to a base that can be served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adloom.loop.bases.training.order import (
    TRAINING,
    CannotTrain,
    TrainingOrder,
    is_finished,
)
from adloom.loop.bases.training.tracked import TrackedTraining
from adloom.loop.settings.whole_folder import too_full
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import Example
from adloom.models.training.base.finish import bytes_on_disk, finish_base
from adloom.models.training.base.records import ShuffledRecords
from adloom.models.training.base.train import TrainingData, train_base
from adloom.models.training.checkpoint import saved_step
from adloom.models.training.learning_curve import LearningCurve
from adloom.models.training.trainer import CURVE, STATE

if TYPE_CHECKING:
    from accelerate import Accelerator

    from adloom.loop.learning.runs import Runs


@dataclass(frozen=True)
class Telling:
    """Who is told how it goes: of stages in words, and of each step with its loss."""

    say: Callable[[str], None]
    on_step: Callable[[int, float], None]


class _Watch:
    def __init__(self, tracked: TrackedTraining, telling: Telling) -> None:
        self._tracked, self._telling = tracked, telling

    def on_step(self, step: int, loss: float) -> None:
        self._telling.on_step(step, loss)
        self._tracked.on_step(step, loss)

    def on_look(
        self, curve: LearningCurve, generator: AdGenerator | None, heldout: Sequence[Example]
    ) -> None:
        step, loss = curve.heldout[-1]
        self._telling.say(f"Held-out loss after step {step:,}: {loss:.4f}")
        self._tracked.on_look(curve, generator, heldout)


def run_training(
    order: TrainingOrder,
    out: Path,
    accelerator: Accelerator,
    runs: Callable[[], Runs],
    telling: Telling,
) -> LearningCurve:
    """Train from where ``out`` is, and make it a base; what is finished is left as it is.

    Every process calls this; the first one alone writes, logs and tells.

    Raises:
        CannotTrain: ``out`` holds something else, or was begun otherwise; or its disk has no room
            for a base of this size, to say nothing of checkpoints.
        BadShards: a shard is damaged.
    """
    order.refuse_other(out)
    finished, needed = is_finished(out), bytes_on_disk(order.base)
    if not finished and (problem := too_full(out / TRAINING, needed, "the trained base")):
        raise CannotTrain(problem)
    accelerator.wait_for_everyone()  # before one of them begins to write
    folder = out / TRAINING
    if not finished:
        _train(order, out, accelerator, runs, telling)
    return LearningCurve.read(folder / CURVE, order.plan.steps)


def _train(
    order: TrainingOrder,
    out: Path,
    accelerator: Accelerator,
    runs: Callable[[], Runs],
    telling: Telling,
) -> None:
    folder, plan, first = out / TRAINING, order.plan, accelerator.is_main_process
    data = TrainingData(
        *(ShuffledRecords(order.data, split, seed=plan.seed) for split in ("train", "heldout"))
    )
    telling.say(f"Loading {order.base}")
    generator = AdGenerator.from_pretrained(order.base, str(accelerator.device))
    params = {"base": order.base, "data": order.data, **plan.model_dump()}
    tracked = TrackedTraining(runs, folder, params, plan.samples, telling.say)
    if first:
        order.save(out)
        tracked.go_on(LearningCurve.read(folder / CURVE, _steps_so_far(folder)))
    if done := saved_step(folder / STATE):
        telling.say(f"Going on from step {done:,}")
    train_base(generator, data, plan, folder, accelerator, _Watch(tracked, telling))
    del generator
    if first:
        telling.say("Writing the base")
        finish_base(order.base, folder / STATE, plan, out)
        tracked.end()
    accelerator.wait_for_everyone()


def _steps_so_far(folder: Path) -> int:
    path = folder / CURVE
    return len(LearningCurve.model_validate_json(path.read_text()).losses) if path.exists() else 0
