"""How a generator's weights learn, whatever from."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import mlflow
import torch
from rich.progress import Progress
from torch.nn import Parameter

from adloom.loop.demo.pretraining.plan import PretrainPlan
from adloom.models.training.checkpoint import load_state, save_state
from adloom.models.training.data_parallel import average_gradients, rank, world_size
from adloom.models.training.schedule import rate_share


def learn(
    parameters: Mapping[str, Parameter],
    loss_of: Callable[[int, random.Random], torch.Tensor],
    plan: PretrainPlan,
    state: Path,
    progress: Progress,
    *,
    doing: str,
    metric: str,
    on_kept: Callable[[], None],
) -> None:
    """Train for ``plan.generator_steps``, from where the file ``state`` says.

    In a world of several processes each draws its own examples, and all take the same steps; the
    first calls ``on_kept`` whenever the state was kept.

    Args:
        parameters: what learns, by name.
        loss_of: the loss, with gradient, of a step from 1 on; its chance is that step's own.
        doing: what the bar says.
        metric: what MLflow calls the loss.
    """
    optimizers = Optimizers.over(parameters, plan.generator_rate)
    start = load_state(state, parameters, optimizers.both())
    task = progress.add_task(doing, total=plan.generator_steps, completed=start, note="")
    for step in range(start + 1, plan.generator_steps + 1):
        rng = random.Random(f"{plan.seed}/{step}/{rank()} of {world_size()}")
        torch.manual_seed(rng.getrandbits(62))
        for parameter in parameters.values():
            parameter.grad = None
        loss = loss_of(step, rng)
        loss.backward()
        average_gradients(list(parameters.values()))
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizers.step(plan.generator_rate * rate_share(step, plan.generator_steps))
        if rank() == 0 and step % 10 == 0:
            mlflow.log_metric(metric, loss.item(), step=step)
        if rank() == 0 and (step % plan.checkpoint_every == 0 or step == plan.generator_steps):
            save_state(state, parameters, optimizers.both(), step)
            on_kept()
        progress.update(task, completed=step, note=f"loss {loss.item():.3f}")


@dataclass(frozen=True)
class Optimizers:
    """Muon (arXiv 2502.16982) for the matrices of the layers, AdamW for all else."""

    muon: torch.optim.Muon
    adamw: torch.optim.AdamW

    @classmethod
    def over(cls, parameters: Mapping[str, Parameter], rate: float) -> Self:
        """Of ``parameters`` by their names, which learn at ``rate``."""
        matrices = [p for name, p in parameters.items() if ".layers." in name and p.dim() == 2]
        chosen = {id(p) for p in matrices}
        rest = [p for p in parameters.values() if id(p) not in chosen]
        return cls(
            torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.01),
        )

    def both(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        """What a checkpoint keeps the moments of."""
        return self.muon, self.adamw

    def step(self, rate: float) -> None:
        """One step of both at ``rate``."""
        for optimizer in self.both():
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
