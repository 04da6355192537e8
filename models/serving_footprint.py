"""Memory of serving a base on one GPU, by part, before a weight is loaded."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from adloom.models.adapters import AdaptedModel
from adloom.models.bare_model import BaseShape
from adloom.models.engine.cache import RowCache
from adloom.models.engine.engine import MOST_ROWS, longest_prompt
from adloom.models.engine.guesses import WIDEST
from adloom.models.engine.lora import SLOTS, filled_rank
from adloom.models.engine.picture_decoder import PictureDecoder
from adloom.models.engine.steps import STEP_TOKENS
from adloom.models.engine.titles import TITLE_TOKENS_EACH
from adloom.models.engine.weights import Shape
from adloom.models.generator import AdModel

_DTYPE = torch.bfloat16
_META = torch.device("meta")


def serving_bytes(shape: BaseShape, *, rows: int, adapters: int, rank: int) -> dict[str, int]:
    """Bytes by part where ``rows`` ads are drawn at a time, by a base and so many adapters.

    All rows are as long as they may be. Weights are bfloat16, the engine computes from them as
    they lie and its steps have a fixed shape, as on a GPU.
    """
    rows = min(rows, MOST_ROWS)
    model = shape.without_weights()
    janus = _bytes(model.janus.parameters())
    with _META:
        decoder = PictureDecoder(model, _DTYPE)
    codes: int = model.janus.model.generation_embeddings.num_embeddings
    parts = {
        "janus": janus,
        "modules": _bytes(model.conditioning.parameters()),
        **({} if model.dinov2 is None else {"dinov2": _bytes(model.dinov2.parameters())}),
        "embedded codes": codes * model.width * _DTYPE.itemsize,
        "picture decoder": decoder.bytes,
        "keys and values": _cache_bytes(model, rows),
        "logits and foregrounds": _noise_bytes(model, rows, codes),
    }
    if adapters:
        parts["adapters"] = adapters * _adapter_bytes(model, rank) + _side_by_side_bytes(
            Shape.of(model), adapters, rank
        )
    return parts


def _cache_bytes(model: AdModel, rows: int) -> int:
    """Of the rows that write, of those that draw, and of the blank twins of these, if any."""
    config = model.config
    prompt, drawn = longest_prompt(config) + config.title_tokens, config.image_tokens + WIDEST
    lengths = [prompt + TITLE_TOKENS_EACH, prompt + 1 + drawn]
    if config.guidance == "twin":
        lengths.append(2 + drawn)
    shape = Shape.of(model)
    return sum(RowCache(shape, rows, length, _META, _DTYPE).bytes for length in lengths)


def _noise_bytes(model: AdModel, rows: int, codes: int) -> int:
    """Of the logits that noise is added to, float32; the noise itself is not kept."""
    guided = min(STEP_TOKENS // 2, rows * WIDEST) * codes * torch.float32.itemsize
    seen = model.conditioning.foreground.mlps * rows * model.config.image_tokens * model.width
    return guided + seen * _DTYPE.itemsize


def _adapter_bytes(model: AdModel, rank: int) -> int:
    """LoRA as PEFT holds it and as the engine keeps it, both float32; the modules in bfloat16."""
    adapted = AdaptedModel(model)
    name = f"rank {rank}".replace(" ", "")
    adapted.new_adapter(name, rank=rank, alpha=rank)
    weights = list(adapted.lora_parameters(name).values())
    numbers = sum(weight.numel() for weight in weights)
    modules = _bytes(model.conditioning.parameters())
    adapted.drop_adapter(name)
    lora = 2 * numbers * torch.float32.itemsize
    return lora + modules


def _side_by_side_bytes(shape: Shape, adapters: int, rank: int) -> int:
    """As they lie in groups, where the three of q, k and v lie on a diagonal."""
    ranks = SLOTS * filled_rank(rank)
    down = ranks * (3 * shape.width + shape.queries)
    up = ranks * (3 * (shape.queries + 2 * shape.keys) + shape.width)
    return -(-adapters // SLOTS) * shape.layers * (down + up) * _DTYPE.itemsize


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
