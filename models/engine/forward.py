"""A step of a batch, from what its rows are fed to their logits."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from torch import Tensor

from adloom.models.engine.decoder import Decoder
from adloom.models.engine.lora import LoraBank, LoraRows
from adloom.models.engine.pictures import Pictures
from adloom.models.engine.steps import KEPT, STEP_TOKENS, Steps
from adloom.models.engine.titles import Titles

Stage = Titles | Pictures


@dataclass(frozen=True)
class Logits:
    """What a stage draws from; ``key`` names what their shape and address hang on."""

    stage: Stage
    values: Tensor
    key: Hashable


class Forward:
    """Feeds the rows of both stages: together, or each by itself in a step of fixed shape."""

    def __init__(self, decoder: Decoder, bank: LoraBank, steps: Steps, capacity: int) -> None:
        self._decoder, self._bank, self._steps = decoder, bank, steps
        self._capacity = capacity
        # Of the step, or of each kind of stage by itself: the adapters of the rows that run.
        self._lora: dict[type[Stage] | None, LoraRows | None] = {}
        # Those of fixed shape that ran last, whose memory graphs read.
        self._kept: dict[Hashable, LoraRows | None] = {}

    def __call__(self, stages: Sequence[Stage], changed: bool) -> list[Logits]:
        """Of the stages' next step; ``changed`` is true once other rows run."""
        for stage in stages:
            stage.prepare()
        if self._steps.fixed:
            return [self._alone(stage, changed) for stage in stages]
        if changed or None not in self._lora:
            running = [own for stage in stages for own in stage.adapters(len(stage.rows))]
            self._lora[None] = self._bank.rows(running)
        fed = [stage.feed(len(stage.rows)) for stage in stages]
        states = self._decoder.step(fed, self._lora[None])
        return [
            Logits(stage, stage.logits(part, len(stage.rows)), None)
            for stage, part in zip(stages, states, strict=True)
        ]

    def _alone(self, stage: Stage, changed: bool) -> Logits:
        kind, rows = type(stage), self._steps.rows(len(stage.rows), self._capacity)
        if changed or kind not in self._lora:
            self._lora[kind] = self._adapters(stage, rows)
        lora = self._lora[kind]

        def work() -> Tensor:
            [states] = self._decoder.step([stage.feed(rows)], lora, tokens=STEP_TOKENS)
            return stage.logits(states, rows)

        # With the adapters themselves in it: a graph reads these and no others that are alike.
        key = (kind, rows, lora)
        return Logits(stage, self._steps.run(key, work), key)

    def _adapters(self, stage: Stage, rows: int) -> LoraRows | None:
        """Of a step of fixed shape, where adapters that ran so before had them."""
        adapters = stage.adapters(rows)
        adapters += adapters[:1] * (STEP_TOKENS - len(adapters))
        place = (type(stage), rows, self._bank.running(adapters))
        self._kept[place] = found = self._bank.rows(adapters, self._kept.pop(place, None))
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return found
