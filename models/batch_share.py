"""The rows of a batch that one of several processes computes, and the noise that falls to them.

Noise is drawn for the whole batch in every process, from the same seed, and each takes that of its
rows: so it is no matter how many processes share a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_shared: ContextVar[tuple[Sequence[int], int] | None] = ContextVar("shared", default=None)


@contextmanager
def share_of_batch(rows: Sequence[int], of: int) -> Iterator[None]:
    """In this block what is computed are ``rows`` of a batch of ``of``."""
    token = _shared.set((rows, of))
    try:
        yield
    finally:
        _shared.reset(token)


def noise_like(rows: Tensor, draw: Callable[[Tensor], Tensor]) -> Tensor:
    """What ``draw`` fills an empty tensor with, of the shape of ``rows`` ``(n, ...)``."""
    if (shared := _shared.get()) is None:
        return draw(rows.new_empty(rows.shape))
    own, of = shared
    return draw(rows.new_empty((of, *rows.shape[1:])))[list(own)]
