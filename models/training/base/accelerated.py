"""Processes that `accelerate` brings together: DDP, FSDP, or one alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import Parameter


class Accelerated:
    """The `Exchange` of a model that an accelerator wrapped."""

    def __init__(self, accelerator: Accelerator, model: nn.Module) -> None:
        self._accelerator, self._model = accelerator, model
        self.first: bool = accelerator.is_main_process

    def accumulating(self, last: bool) -> AbstractContextManager[object]:
        """Around a batch of a step; gradients meet in the ``last``."""
        return nullcontext() if last else self._accelerator.no_sync(self._model)

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss."""
        self._accelerator.backward(loss)

    def clip(self, weights: Sequence[Parameter], norm: float) -> None:
        """Keep the gradients, which have met, below a norm."""
        self._accelerator.clip_grad_norm_(weights, norm)

    def whole(self, loss: Tensor) -> float:
        """The mean over all processes."""
        return float(self._accelerator.reduce(loss, "mean"))
