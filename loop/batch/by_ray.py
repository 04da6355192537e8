"""`adloom ads --ray`: parts are made by workers of Ray Data, each with a model of its own.

Where the command runs, and where each worker runs, the output's folder, `home` and the folder of
the base have to be the same. Source: https://docs.ray.io/en/latest/data/batch_inference.html
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from adloom.loop.batch.errors import AdsHeld, WorkerFailed
from adloom.loop.batch.output import Output
from adloom.loop.batch.parts import Done, PartMaker, part_maker
from adloom.loop.batch.plan import Plan
from adloom.loop.learning.ray_cluster import CannotScaleOut, installed_ray, join_ray
from adloom.loop.settings import Settings
from adloom.loop.settings.anywhere import anywhere
from adloom.loop.settings.serving import RaySettings

_MOST_BLOCKS = 10_000
_COLUMNS = ("part", "ads", "drawn")
_log = logging.getLogger("adloom.batch")


def make_by_ray(
    settings: Settings, folder: Path, parts: Sequence[int], workers: int | None
) -> Iterator[Done]:
    """Each part once it is written.

    Args:
        folder: of the output.
        workers: how many; None: as many as there are GPUs for, or one.

    A worker that dies is started again, and its parts go on where they were.

    Raises CannotScaleOut; AdsHeld; WorkerFailed.
    """
    ray = installed_ray("data")
    _quiet(ray)
    join_ray(ray, settings.ray)
    try:
        count = _workers(settings.ray, ray.cluster_resources(), workers)
        blocks = min(len(parts), _MOST_BLOCKS)
        made = ray.data.from_items(
            [{"part": part} for part in parts], override_num_blocks=blocks
        ).map_batches(
            _Worker,
            fn_constructor_args=(anywhere(settings), folder.absolute()),
            batch_size=None,
            num_cpus=settings.ray.cpus,
            num_gpus=settings.ray.gpus,
            compute=ray.data.ActorPoolStrategy(size=min(count, blocks)),
        )
        held = ""
        for row in made.iter_rows():
            if row["failed"]:
                raise WorkerFailed(row["failed"])
            held = held or row["held"]
            yield Done(int(row["part"]), int(row["ads"]), int(row["drawn"]))
        if held:
            raise AdsHeld(held)
    except ray.exceptions.RayError as error:
        raise WorkerFailed(f"the workers of Ray have ended ({_first_line(error)})") from error
    finally:
        ray.shutdown()


class _Worker:
    """What runs in each worker for as long as there are parts."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._opened = ExitStack()  # it ends with the process

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Rows of `Done`; where it fails one that says why: Ray would only pass on a traceback."""
        made: list[Done] = []
        held = failed = ""
        try:
            for done in self._maker.make(map(int, batch["part"]), lambda ads: None):
                made.append(done)
        except AdsHeld as error:
            made.append(Done(0, 0, 0))
            held = str(error)
        except Exception as error:
            _log.exception("a worker failed")
            made.append(Done(0, 0, 0))
            failed = _told(error)
        columns = {name: [getattr(done, name) for done in made] for name in _COLUMNS}
        columns |= {"held": [held] * len(made), "failed": [failed] * len(made)}
        return {name: np.array(column) for name, column in columns.items()}

    @cached_property
    def _maker(self) -> PartMaker:
        """Opened with the first parts: what is raised before is told to nobody."""
        output = Output(self._folder)
        plan = Plan(output.plan_file)
        return self._opened.enter_context(part_maker(self._settings, output, plan))


def _workers(settings: RaySettings, there: dict[str, float], wanted: int | None) -> int:
    shares = {"CPU": settings.cpus, "GPU": settings.gpus}
    room = min(math.floor(there.get(kind, 0) / share) for kind, share in shares.items() if share)
    count = wanted or (max(room, 1) if settings.gpus else 1)
    if count > room and settings.address is None:
        has = ", ".join(f"{there.get(kind, 0):g} {kind}s" for kind in shares)
        raise CannotScaleOut(
            f"--workers {count}: of {settings.cpus:g} CPUs and {settings.gpus:g} GPUs each they do "
            f"not fit here ({has}); see ray.cpus and ray.gpus"
        )
    return count


def _quiet(ray: Any) -> None:
    """Progress is the command's own."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    told = logging.getLogger("adloom").isEnabledFor(logging.INFO)
    logging.getLogger("ray.data").setLevel(logging.INFO if told else logging.ERROR)


def _told(error: Exception) -> str:
    """In adloom's own words where it is one of its errors."""
    name = type(error).__name__
    own = type(error).__module__.startswith("adloom.")
    return str(error) if own else f"a worker of Ray failed ({name}: {_first_line(error)})"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
