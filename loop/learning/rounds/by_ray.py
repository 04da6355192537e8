"""`adloom train-round --ray`: rounds are learnt by workers of Ray Train, started for each.

The command plans, registers and judges; where it runs, and where each worker runs, the folder
``home`` and that of the base have to be the same. Source:
https://docs.ray.io/en/latest/train/getting-started-pytorch.html
"""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adloom.loop.learning.ray_cluster import CannotScaleOut, installed_ray, join_ray
from adloom.loop.learning.rounds.learning_task import LearningTask, OnStep
from adloom.loop.settings.serving import RaySettings
from adloom.models.ad_generator import AdGenerator
from adloom.models.training.data_parallel import PATIENCE, WorkerLost, backend
from adloom.models.training.fine_tune import FineTuneResult

_SCRATCH = "ray"


@contextmanager
def ray_workers(
    settings: RaySettings, base: Path | None, device: str | None, workers: int | None
) -> Iterator[RayWorkers]:
    """Workers to learn rounds with while the block runs.

    Args:
        settings: where Ray is.
        base: folder of the base; None is the bundled one.
        device: that the base computes on; None: a GPU where a worker has one.
        workers: how many; None: as many as there are GPUs, or one.

    Raises:
        CannotScaleOut: Ray is not installed, is not there, or has no room for them.
    """
    ray = installed_ray("train")
    join_ray(ray, settings)
    try:
        there = ray.cluster_resources()
        kind = "GPU" if there.get("GPU", 0) >= 1 and device != "cpu" else "CPU"
        room = int(there.get(kind, 0))
        count = workers or (room if kind == "GPU" else 1)
        if count > room:
            raise CannotScaleOut(f"--workers {count}: Ray has {room} {kind}s, and each takes one")
        yield RayWorkers(base and base.absolute(), device, count, gpus=kind == "GPU")
    finally:
        ray.shutdown()


class RayWorkers:
    """Workers of Ray Train, as `Learners`."""

    def __init__(self, base: Path | None, device: str | None, count: int, *, gpus: bool) -> None:
        self._base, self._device, self._count, self._gpus = base, device, count, gpus

    def learn(self, generator: AdGenerator, task: LearningTask, on_step: OnStep) -> FineTuneResult:
        """As `Learners` says."""
        import ray
        from ray.train import RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchConfig, TorchTrainer

        told = _Told(on_step)
        given = {"task": ray.put(task), "base": self._base, "device": self._device}
        scratch = task.out / _SCRATCH
        trainer = TorchTrainer(
            _learn,
            train_loop_config={**given, "told": told.queue},
            torch_config=TorchConfig(backend(self._gpus), timeout_s=int(PATIENCE.total_seconds())),
            scaling_config=ScalingConfig(num_workers=self._count, use_gpu=self._gpus),
            run_config=RunConfig(storage_path=str(scratch)),
        )
        try:
            with told.heard(), _own_interrupts():
                trainer.fit()
        except TrainingFailedError as error:
            raise _failed(error) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        assert told.result is not None
        name = task.out.name
        if name in generator.adapters:
            generator.drop_adapter(name)
        generator.load_adapter(name, told.result.adapter)
        generator.activate(name)
        return told.result

    def wait(self) -> None:
        """No worker is there meanwhile."""


class _Told:
    """What the first worker tells: its steps, and what came of them."""

    def __init__(self, on_step: OnStep) -> None:
        from ray.util.queue import Queue

        self.queue: Any = Queue(actor_options={"num_cpus": 0})
        self.result: FineTuneResult | None = None
        self._on_step = on_step

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen while the block runs."""
        listener = threading.Thread(target=self._listen)
        listener.start()
        try:
            yield
        finally:
            self.queue.put(None)
            listener.join()
            self.queue.shutdown()

    def _listen(self) -> None:
        while (word := self.queue.get()) is not None:
            if isinstance(word, FineTuneResult):
                self.result = word
            else:
                self._on_step(*word)


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Ctrl-C is Ray's while it trains, which it answers by a silent end; afterwards it is ours
    again, and not lost on a training that is over."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as ended:
        raise KeyboardInterrupt from ended
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _learn(given: dict[str, Any]) -> None:
    """What each worker does; Ray has let it join the others."""
    import ray

    from adloom.models.training.data_parallel import rank

    told, task = given["told"], ray.get(given["task"])
    generator = AdGenerator.from_pretrained(given["base"], given["device"])
    result = task.run(generator, lambda step, loss: told.put((step, loss)))
    if rank() == 0:
        told.put(result)


def _failed(error: Exception) -> Exception:
    """What a worker raised; else which one is gone, by which the others failed."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    gone = [n for n, one in failures.items() if type(one).__module__.startswith("ray.")]
    for number, one in failures.items():
        if number not in gone and not isinstance(one, WorkerLost):
            return one
    who = f"worker {', '.join(map(str, gone))}" if gone else "a worker"
    return WorkerLost(
        f"{who} of Ray has ended: start again, and the round goes on from its checkpoint"
    )
