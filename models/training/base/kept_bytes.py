"""What autograd keeps of a training's step for the backward pass, without a number computed.

The model runs on tensors that have shapes and no values; what would be kept is counted there as
it would be in a real run. Source: https://docs.pytorch.org/docs/stable/torch.compiler_fake_tensor
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks

from adloom.models.batching import BriefBatch, TargetBatch
from adloom.models.generator import AdModel


class KeptBytes:
    """Counts what autograd keeps, each storage once; the weights themselves are not counted."""

    def __init__(self, model: nn.Module) -> None:
        self._seen = {_storage(parameter) for parameter in model.parameters()}
        self.tensors: list[Tensor] = []  # alive: the place of one that is gone may be taken

    @contextmanager
    def counted(self) -> Iterator[None]:
        """What is kept in this block counts."""
        with saved_tensors_hooks(self._keep, lambda kept: kept):
            yield

    def _keep(self, tensor: Tensor) -> Tensor:
        place = _storage(tensor)
        if place not in self._seen:
            self._seen.add(place)
            self.tensors.append(tensor.detach())
        return tensor


def kept_bytes(model: AdModel, ads: int) -> tuple[int, int]:
    """Activations, and logits among what a step on ``ads`` full ads keeps, in bytes.

    ``model`` is on the meta device, ready to be trained; its weights are imagined ones afterwards.
    Casts of weights to bfloat16 count as activations: they live as long.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        _imagine(model)
        kept = KeptBytes(model)
        batch = fullest_batch(model, ads)
        with kept.counted(), torch.autocast("cpu", torch.bfloat16):
            model.train()(*batch)
        logits = sum(_bytes(tensor) for tensor in kept.tensors if _is_logits(tensor, model, ads))
        return sum(map(_bytes, kept.tensors)) - logits, logits


def fullest_batch(model: AdModel, ads: int) -> tuple[BriefBatch, TargetBatch]:
    """A batch of ``ads`` whose prompts, histories and titles are as long as they may be."""
    config, items = model.config, model.config.history_items
    size = config.picture_size

    def ids(*shape: int) -> Tensor:
        return torch.full(shape, 7, dtype=torch.long)  # any that is no padding

    briefs = BriefBatch(
        prompt=ids(ads, config.prompt_tokens),
        history_codes=ids(ads, items, config.history_codes),
        history_titles=ids(ads, items, config.history_title_tokens),
        history_valid=torch.ones(ads, items, dtype=torch.bool),
        cutouts=torch.zeros(ads, 3, size, size),
    )
    return briefs, TargetBatch(ids(ads, config.title_tokens), ids(ads, config.image_tokens))


def _imagine(model: nn.Module) -> None:
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                made = torch.empty(weight.shape, dtype=weight.dtype)
                module._parameters[name] = nn.Parameter(made, weight.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)


def _is_logits(tensor: Tensor, model: AdModel, ads: int) -> bool:
    config = model.config
    words: int = model.janus.config.get_text_config().vocab_size
    codes: int = model.janus.model.vqmodel.quantize.num_embeddings
    sizes = {ads * config.title_tokens * words, ads * config.image_tokens * codes}
    return tensor.shape[-1:] in {(words,), (codes,)} and tensor.numel() in sizes


def _bytes(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
