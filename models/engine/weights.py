"""The language model as the engine computes it: fewer and larger products.

Weights of each norm are folded into the products that follow it, q, k and v are one product, as
are gate and up, and the halves of a head that RoPE turns lie side by side, as complex numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adloom.models.engine.matmul import Product
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


@dataclass(frozen=True)
class LayerWeights:
    """The products of one layer; ``attention_norm`` ``(width,)`` is folded into ``qkv``.

    A norm's weights are times the square root of the width: they follow states of length 1.
    """

    qkv: Product
    out: Product
    gate_up: Product
    down: Product
    attention_norm: Tensor


class Weights:
    """A copy of what the engine needs of a model, as it is now, in ``dtype``."""

    def __init__(self, model: AdModel, dtype: torch.dtype) -> None:
        """Copy the base alone: adapters come by row (:class:`adloom.models.engine.lora.LoraBank`).

        Raises:
            ValueError: the model has biases in its attention or feed-forward layers.
        """
        janus: Any = model.janus  # what nn.Module gives by name has no type
        llama = janus.model.language_model
        self.dtype = dtype
        self.shape = Shape.of(model)
        self._root = self.shape.width**0.5
        # States of less length than that are not made as long as others.
        self.least_length = self._root * float(llama.norm.variance_epsilon) ** 0.5
        self.activation = llama.layers[0].mlp.act_fn
        self.fingerprint = fingerprint(model)
        with torch.no_grad():
            self.layers = [self._layer(layer) for layer in llama.layers]
            norm = llama.norm.weight.float() * self._root
            self.text_head = self._product(janus.lm_head.weight.float() * norm)
            head = janus.model.generation_head
            self.picture_head = (
                self._product(head.proj_out.weight.float() * norm, head.proj_out.bias),
                head.activation_fn,
                self._product(head.vision_head.weight, head.vision_head.bias),
            )
            text = janus.get_input_embeddings().weight
            self.text_tokens = len(text)
            every_code = torch.arange(janus.model.generation_embeddings.num_embeddings)
            codes = model.embed_codes(every_code.to(text.device))
            self.codes = len(codes)
            self.embeddings = torch.cat([text, codes]).to(dtype)

    @property
    def embedded_codes(self) -> Tensor:
        """What is fed for each image code, ``(codes, width)``."""
        return self.embeddings[self.text_tokens :]

    def image_logits(self, states: Tensor) -> Tensor:
        """Logits of image codes, float32 ``(rows, codes)``, of states of length 1."""
        first, activation, last = self.picture_head
        return last(activation(first(states))).float()

    def _layer(self, layer: Any) -> LayerWeights:
        attention, mlp = layer.self_attn, layer.mlp
        before = layer.input_layernorm.weight.float() * self._root
        after = layer.post_attention_layernorm.weight.float() * self._root
        q, k, v, o = (
            _base_weight(getattr(attention, name)).float()
            for name in ("q_proj", "k_proj", "v_proj", "o_proj")
        )
        q = self.shape.paired(q) * self.shape.depth**-0.5
        qkv = torch.cat([q, self.shape.paired(k), v]) * before
        gate_up = torch.cat([_base_weight(mlp.gate_proj), _base_weight(mlp.up_proj)]).float()
        return LayerWeights(
            self._product(qkv),
            self._product(o),
            self._product(gate_up * after),
            self._product(_base_weight(mlp.down_proj)),
            before,
        )

    def _product(self, weight: Tensor, bias: Tensor | None = None) -> Product:
        return Product(weight.to(self.dtype), None if bias is None else bias.to(self.dtype))


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
    )
    return tuple(
        (parameter.data_ptr(), parameter._version)
        for part in parts
        for name, parameter in part.named_parameters()
        if "lora_" not in name
    )


def _base_weight(projection: Any) -> Tensor:
    """Weight of a linear layer, whether or not PEFT has wrapped it."""
    linear = getattr(projection, "base_layer", projection)
    if linear.bias is not None:
        raise ValueError("the engine decodes Llama without biases, as Janus has it")
    weight: Tensor = linear.weight
    return weight
