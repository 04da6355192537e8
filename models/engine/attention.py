"""Attention of a step's tokens over the cache, as one kernel on a GPU.

Each row is looked at by itself, up to its own length: longer rows beside it cost it nothing, no
mask is made, and what it gets is the same to a bit whatever runs beside it. Keys are taken a block
at a time, with a running softmax.

Source: FlashAttention-2 (arXiv 2307.08691).
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_QUERIES = 16
"""Of a head in one program: no tensor core multiplies fewer rows."""
_KEYS = 64


def attend_by_kernel(
    queries: Tensor, keys: Tensor, values: Tensor, lengths: Tensor, width: int, found: Tensor
) -> None:
    """Let each row's newest tokens look at all of the row up to themselves.

    Args:
        queries: ``(rows * width, heads * depth)``, scaled.
        keys: ``(rows, kv_heads, room, depth)``, the newest tokens' in them, as ``values``.
        lengths: int64 ``(rows,)``, tokens of each row before these.
        width: newest tokens of a row, up to 16.
        found: ``(rows * width, heads * depth)``, to be written.
    """
    rows, kv_heads, _, depth = keys.shape
    heads = queries.shape[1] // depth
    kernel: Any = _attend
    kernel[(rows, heads)](
        queries,
        keys,
        values,
        lengths,
        found,
        width,
        queries.stride(0),
        found.stride(0),
        keys.stride(0),
        keys.stride(1),
        group=heads // kv_heads,
        depth=depth,
        tile=_QUERIES,
        block=_KEYS,
        precision="ieee" if keys.dtype == torch.float32 else "tf32",
        num_warps=4,
        num_stages=3,
    )


@triton.jit
def _attend(  # type: ignore[no-untyped-def]
    queries,
    keys,
    values,
    lengths,
    found,
    width,
    query_stride,
    found_stride,
    row_stride,
    head_stride,
    group: tl.constexpr,
    depth: tl.constexpr,
    tile: tl.constexpr,
    block: tl.constexpr,
    precision: tl.constexpr,
):
    row = tl.program_id(0)
    head = tl.program_id(1)
    before = tl.load(lengths + row).to(tl.int32)
    end = before + width
    at = tl.arange(0, tile)
    inside = tl.arange(0, depth)
    near = tl.arange(0, block)
    mine = row * width + at
    own = (at < width)[:, None]
    column = head * depth + inside
    query = tl.load(queries + mine[:, None] * query_stride + column[None, :], mask=own, other=0.0)
    start = row.to(tl.int64) * row_stride + (head // group) * head_stride
    most = tl.full([tile], float("-inf"), tl.float32)
    total = tl.zeros([tile], tl.float32)
    seen = tl.zeros([tile, depth], tl.float32)
    for first in range(0, end, block):
        token = first + near
        there = token < end
        place = start + token[:, None] * depth + inside[None, :]
        key = tl.load(keys + place, mask=there[:, None], other=0.0)
        value = tl.load(values + place, mask=there[:, None], other=0.0)
        scores = tl.dot(query, tl.trans(key), input_precision=precision)
        past = there[None, :] & (token[None, :] <= before + at[:, None])
        scores = tl.where(past, scores, float("-inf"))
        # Every token sees the first one, so that no maximum is infinite.
        higher = tl.maximum(most, tl.max(scores, 1))
        shares = tl.exp(scores - higher[:, None])
        fading = tl.exp(most - higher)
        total = total * fading + tl.sum(shares, 1)
        looked_at = tl.dot(shares.to(value.dtype), value, input_precision=precision)
        seen = seen * fading[:, None] + looked_at
        most = higher
    seen = seen / total[:, None]
    tl.store(found + mine[:, None] * found_stride + column[None, :], seen, mask=own)
