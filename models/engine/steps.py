"""How a step runs on a device: as calls of the shapes that are met, or as fixed shapes in graphs.

A GPU waits for each call's launch longer than a call of a step takes. There a step's calls are
captured once as a CUDA graph and replayed. A graph reads and writes the memory of its capture and
has its shapes, so rows come in a few numbers, tokens in one, and what a step hangs on lies in
tensors that stay where they are. With one number of tokens every product is the same kernel
whatever runs: what a row gets does not depend on the others.

All of that but the capture runs on a CPU too, which is how it is tested there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

STEP_TOKENS = 128
"""Tokens of a step of fixed shape. Up to about so many, weights are read longer than used."""
KEPT = 64
"""Graphs, of the shapes and adapters that were met last."""

Work = Callable[[], Tensor]
Read = Callable[[], list[Any]]
"""What a tensor had, as ``tolist`` gives it."""


class Steps:
    """Steps of the shapes that are met, each call by itself."""

    fixed = False
    behind = 0
    """Steps that are begun before one is read."""

    def rows(self, running: int, most: int) -> int:
        """Rows of a step in which so many run, of at most ``most``."""
        return running

    def run(self, key: Hashable, work: Work) -> Tensor:
        """What ``work`` returns; ``key`` names all that its shapes and addresses hang on."""
        return work()

    def onto(self, tensor: Tensor, device: torch.device) -> Tensor:
        """``tensor`` on ``device``; a host does not wait for what runs there."""
        return tensor.to(device)

    def later(self, tensor: Tensor) -> Read:
        """Read what a tensor has now, later."""
        return tensor.tolist


class FixedSteps(Steps):
    """Steps of fixed shapes; on a GPU those that come again are replayed."""

    fixed, behind = True, 1

    def __init__(self, device: torch.device) -> None:
        self._captures = device.type == "cuda"
        # None: met once. That run has made what a capture must not make, such as workspaces.
        self._graphs: OrderedDict[Hashable, tuple[torch.cuda.CUDAGraph, Tensor] | None] = (
            OrderedDict()
        )
        self._pool = torch.cuda.graph_pool_handle() if self._captures else None

    def rows(self, running: int, most: int) -> int:
        """The next power of two."""
        return min(most, 1 << (running - 1).bit_length())

    def run(self, key: Hashable, work: Work) -> Tensor:
        """As calls the first time, from then on as a graph. What it returns is overwritten then."""
        if not self._captures:
            return work()
        if key not in self._graphs:
            self._keep(key, None)
            return work()
        kept = self._graphs[key]
        if kept is None:
            graph = torch.cuda.CUDAGraph()
            # Other threads may go on with their own work on the device.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                found = work()
            kept = graph, found
        self._keep(key, kept)
        graph, found = kept
        graph.replay()
        return found

    def _keep(self, key: Hashable, kept: tuple[torch.cuda.CUDAGraph, Tensor] | None) -> None:
        self._graphs[key] = kept
        self._graphs.move_to_end(key)
        if len(self._graphs) > KEPT:
            self._graphs.popitem(last=False)

    def onto(self, tensor: Tensor, device: torch.device) -> Tensor:
        """Through pinned memory, from which a copy needs no waiting."""
        if not self._captures:
            return tensor.to(device)
        return tensor.pin_memory().to(device, non_blocking=True)

    def later(self, tensor: Tensor) -> Read:
        """Copied when the device comes to it; whoever reads waits for that and nothing after it."""
        if not self._captures:
            return tensor.clone().tolist
        copied = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        copied.copy_(tensor, non_blocking=True)
        done = torch.cuda.Event()
        done.record()

        def read() -> list[Any]:
            done.synchronize()
            found: list[Any] = copied.tolist()
            return found

        return read


def steps_on(device: torch.device) -> Steps:
    """Those that are fast there."""
    return FixedSteps(device) if device.type == "cuda" else Steps()
