"""Whether a base can be trained and served in a memory, and what would make it fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from adloom.models.bare_model import BaseShape
from adloom.models.serving_footprint import serving_bytes
from adloom.models.training.base.footprint import Sharing, training_bytes
from adloom.models.training.base.plan import BasePlan

ADAPTERS = 2
"""Served beside the base: the champion and the candidate."""
RESERVED = 2**30
"""Bytes that CUDA's context and its kernels' own memory are taken to need: no measured figure."""
_MORE_GPUS = 8


class Footprint(BaseModel):
    """Bytes on each GPU by part, and whether they fit; None where no memory was named."""

    model_config = ConfigDict(frozen=True)

    parts: dict[str, int]
    total: int
    fits: bool | None

    @classmethod
    def of(cls, parts: dict[str, int], memory: int | None) -> Footprint:
        """``parts`` and what is reserved, held against ``memory``."""
        parts = {**parts, "reserved for CUDA": RESERVED}
        total = sum(parts.values())
        return cls(parts=parts, total=total, fits=None if memory is None else total <= memory)


class MemoryPlan(BaseModel):
    """Memory of each GPU; ``training`` by how weights are shared, if there are several.

    ``advice`` are options of `adloom base train` that would make a training fit that does not, and
    ``rows`` how many ads at a time would; None where nothing is to be changed, or nothing helps.
    """

    model_config = ConfigDict(frozen=True)

    gpus: int
    memory: int | None
    training: dict[Sharing, Footprint]
    serving: Footprint
    advice: str | None
    rows: int | None


@dataclass(frozen=True)
class _Way:
    """One to train: options, and GPUs."""

    plan: BasePlan
    gpus: int
    sharing: Sharing

    def told(self, asked: BasePlan, gpus: int) -> str:
        changed = []
        if self.plan.batch != asked.batch:
            times = asked.accumulate * asked.batch // self.plan.batch
            changed.append(f"--batch {self.plan.batch} --accumulate {times}")
        if self.plan.checkpointing and not asked.checkpointing:
            changed.append("--checkpointing")
        if self.sharing == "fsdp":
            changed.append("with FSDP" if self.gpus == gpus else f"with FSDP on {self.gpus} GPUs")
        return " ".join(changed)


def plan_memory(
    shape: BaseShape,
    plan: BasePlan,
    *,
    gpus: int,
    rows: int,
    memory: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> MemoryPlan:
    """Memory of a training by ``plan``, and of serving ``rows`` ads at a time.

    Args:
        shape: of the base; nothing of it is loaded.
        plan: what the training does.
        gpus: that it runs on.
        rows: ads that are drawn at a time in serving, on one GPU.
        memory: bytes of each GPU, where it is known.
        say: told what is under way.
    """
    say("Counting what a step keeps")
    ways: list[Sharing] = ["ddp"] if gpus == 1 else ["ddp", "fsdp"]
    training = {way: Footprint.of(training_bytes(shape, plan, gpus, way), memory) for way in ways}
    serving = Footprint.of(_serving(shape, plan, rows), memory)
    advice = fewer = None
    if memory is not None and not any(found.fits for found in training.values()):
        say("Looking for options that fit")
        advice = _advice(shape, plan, gpus, memory)
    if memory is not None and not serving.fits:
        fewer = _rows_that_fit(shape, plan, rows, memory)
    return MemoryPlan(
        gpus=gpus, memory=memory, training=training, serving=serving, advice=advice, rows=fewer
    )


def _serving(shape: BaseShape, plan: BasePlan, rows: int) -> dict[str, int]:
    return serving_bytes(shape, rows=rows, adapters=ADAPTERS, rank=plan.rank)


def _advice(shape: BaseShape, plan: BasePlan, gpus: int, memory: int) -> str | None:
    for way in _other_ways(plan, gpus):
        needed = training_bytes(shape, way.plan, way.gpus, way.sharing)
        if Footprint.of(needed, memory).fits:
            return way.told(plan, gpus)
    return None


def _other_ways(plan: BasePlan, gpus: int) -> Iterator[_Way]:
    """The least change first: what costs time, then a smaller batch, then other machines."""
    saving = plan.model_copy(update={"checkpointing": True})
    smallest = saving.model_copy(update={"batch": 1})
    if not plan.checkpointing:
        yield _Way(saving, gpus, "ddp")
    if plan.batch > 1:
        yield _Way(smallest, gpus, "ddp")
    several = [gpus] if gpus > 1 else []
    for count in (*several, *([_MORE_GPUS] if gpus < _MORE_GPUS else [])):
        yield _Way(saving, count, "fsdp")
        yield _Way(smallest, count, "fsdp")


def _rows_that_fit(shape: BaseShape, plan: BasePlan, rows: int, memory: int) -> int | None:
    while rows := rows // 2:
        if Footprint.of(_serving(shape, plan, rows), memory).fits:
            return rows
    return None
