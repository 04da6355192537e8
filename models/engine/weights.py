"""The language model as the engine computes it: fewer and larger products.

q, k and v are one product, as are gate and up. Where the model's weights can be computed from as
they lie, those become parts of one tensor for the model too, and nothing is held twice. Where they
cannot, they are copied, and then each norm's factors are folded into the products that follow it,
and the halves of a head that RoPE turns lie side by side, as complex numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from adloom.models.engine.matmul import Product, computes_from
from adloom.models.generator import AdModel


@dataclass(frozen=True)
class Shape:
    """Attention's sizes: ``heads`` of queries, ``kv_heads`` of keys and values, ``depth`` each."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    depth: int

    @property
    def queries(self) -> int:
        """Width of all queries of a token."""
        return self.heads * self.depth

    @property
    def keys(self) -> int:
        """Width of all keys of a token."""
        return self.kv_heads * self.depth

    @classmethod
    def of(cls, model: AdModel) -> Shape:
        """Sizes of a model's Llama."""
        config = model.janus.config.get_text_config()
        depth = (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        kv_heads = config.num_key_value_heads or config.num_attention_heads
        return cls(
            config.hidden_size,
            config.num_hidden_layers,
            config.num_attention_heads,
            kv_heads,
            depth,
        )

    def paired(self, rows: Tensor) -> Tensor:
        """Rows of a q or k projection ``(heads * depth, n)`` with RoPE's pairs side by side."""
        split = rows.view(-1, 2, self.depth // 2, rows.shape[1])
        return split.transpose(1, 2).reshape(rows.shape)

    def scaled(self, rows: Tensor) -> Tensor:
        """Rows of a q projection, as :meth:`paired`, with the scale of the scores in them."""
        return self.paired(rows) * self.depth**-0.5


@dataclass(frozen=True)
class LayerWeights:
    """The products of one layer, and the factors ``(width,)`` of the norms before them.

    In a copy these are folded into ``qkv`` and ``gate_up``, and times the square root of the
    width: they follow states of length 1.
    """

    qkv: Product
    out: Product
    gate_up: Product
    down: Product
    attention_norm: Tensor
    feed_norm: Tensor


class Weights:
    """What the engine needs of a model in ``dtype``: ``shared`` with it, or a copy as it is now."""

    def __init__(self, model: AdModel, dtype: torch.dtype) -> None:
        """Take the base alone: adapters come by row (:class:`adloom.models.engine.lora.LoraBank`).

        What is shared lies elsewhere from then on; the model computes from it as before.

        Raises:
            ValueError: the model has biases in its attention or feed-forward layers.
        """
        janus: Any = model.janus  # what nn.Module gives by name has no type
        llama = janus.model.language_model
        self.dtype, self.device = dtype, model.device
        self.shape = Shape.of(model)
        self.shared = computes_from(janus.lm_head.weight.dtype, dtype, model.device)
        self._root = self.shape.width**0.5
        self.eps = float(llama.norm.variance_epsilon)
        # States of less length than that are not made as long as others.
        self.least_length = self._root * self.eps**0.5
        self.activation = llama.layers[0].mlp.act_fn
        # A tensor made for inference alone could not be a parameter's.
        with torch.inference_mode(False), torch.no_grad():
            self.layers = [self._layer(layer) for layer in llama.layers]
            self.last_norm = self._factors(llama.norm)
            head = janus.model.generation_head
            self.text_head = self._after(self.last_norm, [janus.lm_head])
            self.picture_head = (
                self._after(self.last_norm, [head.proj_out]),
                head.activation_fn,
                self._product(head.vision_head.weight, head.vision_head.bias),
            )
            self.text = janus.get_input_embeddings().weight.detach().to(dtype)
            self.text_tokens = len(self.text)
            every_code = torch.arange(janus.model.generation_embeddings.num_embeddings)
            self.embedded_codes = model.embed_codes(every_code.to(self.device)).to(dtype)
            self.codes = len(self.embedded_codes)
        self.fingerprint = fingerprint(model)

    def embed(self, tokens: Tensor) -> Tensor:
        """What is fed for int64 ``(tokens,)``, text ids and image codes above them."""
        codes = tokens - self.text_tokens
        drawn = codes >= 0
        written = self.text.index_select(0, tokens.masked_fill(drawn, 0))
        return self.embedded_codes.index_select(0, codes.clamp_min_(0)).where(
            drawn[:, None], written
        )

    def image_logits(self, states: Tensor) -> Tensor:
        """Logits of image codes, float32 ``(rows, codes)``, of states of length 1."""
        first, activation, last = self.picture_head
        return last(activation(first(states))).float()

    def _layer(self, layer: Any) -> LayerWeights:
        attention, mlp = layer.self_attn, layer.mlp
        before = self._factors(layer.input_layernorm)
        after = self._factors(layer.post_attention_layernorm)
        q, k, v, o, gate, up, down = (
            _plain(getattr(part, name))
            for part, names in ((attention, "qkvo"), (mlp, ("gate", "up", "down")))
            for name in (f"{name}_proj" for name in names)
        )
        return LayerWeights(
            self._after(before, [q, k, v]) if self.shared else self._turnable(before, q, k, v),
            self._product(o.weight),
            self._after(after, [gate, up]),
            self._product(down.weight),
            before,
            after,
        )

    def _turnable(self, norm: Tensor, *qkv: nn.Linear) -> Product:
        """The product of q, k and v, which RoPE then turns in pairs that lie side by side."""
        q, k, v = (linear.weight.float() for linear in qkv)
        return self._product(torch.cat([self.shape.scaled(q), self.shape.paired(k), v]) * norm)

    def _factors(self, norm: Any) -> Tensor:
        weight: Tensor = norm.weight.detach()
        return weight if self.shared else weight.float() * self._root

    def _after(self, norm: Tensor, linears: Sequence[nn.Linear]) -> Product:
        """The product of ``linears``, all of the same inputs, after a norm with such factors."""
        if self.shared:
            weight = _joined([linear.weight for linear in linears])
        else:
            weight = torch.cat([linear.weight for linear in linears]).float() * norm
        return self._product(weight, linears[0].bias)

    def _product(self, weight: Tensor, bias: Tensor | None = None) -> Product:
        bias = None if bias is None else bias.to(self.dtype)
        return Product(weight.to(self.dtype), bias, as_it_lies=self.shared)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """One tensor ``(all rows, inputs)`` of which ``parts`` are parts from now on."""
    whole, ends = parts[0].detach(), [*accumulate(len(part) for part in parts)]
    if len(parts) == 1:
        return whole
    begins = [part.data_ptr() - whole.data_ptr() for part in parts]
    row = whole[:1].nbytes
    one = len({part.untyped_storage().data_ptr() for part in parts}) == 1
    if one and begins == [row * end for end in (0, *ends[:-1])]:  # by an engine of before
        return whole.as_strided((ends[-1], whole.shape[1]), whole.stride())
    whole = torch.cat([part.detach() for part in parts])
    for part, rows in zip(parts, whole.split([len(part) for part in parts]), strict=True):
        part.data = rows
    return whole


def fingerprint(model: AdModel) -> tuple[tuple[int, int], ...]:
    """Changes when a weight of the base was changed, exchanged or moved to another device."""
    janus = model.janus
    inner = janus.model
    parts = (
        inner.language_model,
        inner.generation_embeddings,
        inner.generation_aligner,
        inner.generation_head,
        inner.vqmodel.quantize,
        inner.vqmodel.post_quant_conv,
        inner.vqmodel.decoder,
        janus.lm_head,
        *([] if model.enlarger is None else [model.enlarger]),
    )
    return tuple(
        (parameter.data_ptr(), parameter._version)
        for part in parts
        for name, parameter in part.named_parameters()
        if "lora_" not in name
    )


def _plain(projection: Any) -> nn.Linear:
    """A linear layer, whether or not PEFT has wrapped it."""
    linear: nn.Linear = getattr(projection, "base_layer", projection)
    if linear.bias is not None:
        raise ValueError("the engine decodes Llama without biases, as Janus has it")
    return linear
