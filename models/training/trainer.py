"""How weights learn, whatever from: steps of an optimiser, and a state to go on from.

Trainings of a base and rounds of clicks share it. What differs is how the gradients of several
processes meet (`Exchange`): a base is wrapped by `accelerate`, for its weights may have to be
shared out among them; a round averages the gradients of its few weights itself, for its model draws
ads before and after it learns, which a wrapped one cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Parameter

from adloom.models.training.checkpoint import load_state, save_state
from adloom.models.training.learning_curve import LearningCurve

STATE, CURVE = "state.safetensors", "losses.json"


class Exchange(Protocol):
    """What processes that train together tell each other; alone it is what one does."""

    first: bool
    """Whether this process writes what all have learnt."""

    def accumulating(self, last: bool) -> AbstractContextManager[object]:
        """Around a batch of a step; gradients need not meet before the ``last``."""

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss."""

    def clip(self, weights: Sequence[Parameter], norm: float) -> None:
        """Bring the gradients of all processes together, of this norm at most."""

    def whole(self, loss: Tensor) -> float:
        """The loss of the step in all processes."""


def rate_groups(
    weights: Mapping[str, Parameter], rates: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Groups of an optimiser, one a rate, of weights by their names."""
    return [
        {"params": [w for name, w in weights.items() if rates[name] == rate], "lr": rate}
        for rate in dict.fromkeys(rates.values())
    ]


class Trainer:
    """Takes steps from where ``folder`` says, and notes there how far it came.

    Attributes:
        step: steps that were taken.
        curve: their losses, and what was found of held-out ads.
    """

    def __init__(
        self,
        weights: Mapping[str, Parameter],
        optimizer: torch.optim.Optimizer,
        exchange: Exchange,
        folder: Path,
        *,
        clip: float = 1.0,
        beside: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Go on where there is something to go on from.

        Args:
            weights: what learns, by name.
            optimizer: over them, with their full rates.
            exchange: with the other processes.
            folder: of the state.
            clip: norm of the gradient at most.
            beside: other tensors that are part of the state, by names of their own.
        """
        self._weights, self._optimizer, self._exchange = list(weights.values()), optimizer, exchange
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._folder, self._clip = folder, clip
        self._kept: dict[str, Tensor] = {**weights, **(beside or {})}
        self.step = load_state(folder / STATE, self._kept, [optimizer])
        self.curve = LearningCurve.read(folder / CURVE, self.step)

    def learn(self, batches: Sequence[Callable[[], Tensor]], share: float = 1.0) -> float:
        """One step on the mean loss of ``batches``, at this share of the full rates."""
        total = torch.zeros((), device=self._weights[0].device)
        for number, loss_of in enumerate(batches, start=1):
            with self._exchange.accumulating(number == len(batches)):
                loss = loss_of() / len(batches)
                self._exchange.backward(loss)
            total += loss.detach()
        self._exchange.clip(self._weights, self._clip)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * share
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.curve.losses.append(self._exchange.whole(total))
        return self.curve.losses[-1]

    def keep(self) -> None:
        """Note state and curve; every process calls this, the first writes."""
        if self._exchange.first:
            self.curve.write(self._folder / CURVE)
        save_state(self._folder / STATE, self._kept, [self._optimizer], self.step)
