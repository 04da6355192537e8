"""Janus-Pro and DINOv2 checkpoints in the format of the public ones, small and untrained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer
from transformers import (
    Dinov2Config,
    Dinov2Model,
    JanusConfig,
    JanusForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from adloom.models.published_shapes import janus_pro
from tests.tiny_model import tiny_model

SPECIAL = "<\uff5c{}\uff5c>"
# As the published one reads a conversation: contents are lists of parts.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] | lower == 'user' %}<|User|>: {% else %}<|Assistant|>: {% endif %}"
    "{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}<image_placeholder>\n"
    "{% elif content['type'] == 'text' %}{{ content['text'].strip() }}{% endif %}"
    "{% endfor %}"
    "{{ '\n\n' if message['role'] | lower == 'user' else eos_token }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|Assistant|>:{% endif %}"
)


def public_checkpoint(folder: Path, picture_size: int = 64, codes: int = 128) -> Path:
    """A small, randomly initialised checkpoint with the files and names of the public ones.

    Those have pictures of 384 px and 16,384 codes.
    """
    tokenizer = janus_tokenizer()
    published = janus_pro("1B").to_dict()
    small: dict[str, dict[str, Any]] = {
        "text_config": {
            "vocab_size": len(tokenizer) + 7,  # as published: more rows than tokens
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 7,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "head_dim": 16,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        "vision_config": {
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": picture_size,
            "projection_dim": 64,
        },
        "vq_config": {
            "num_embeddings": codes,
            "base_channels": 32,
            "latent_channels": 32,
            "num_res_blocks": 1,
            "projection_dim": 64,
            "image_token_embed_dim": 64,
        },
    }
    for part, values in small.items():
        published[part] |= values
    torch.manual_seed(0)
    config = JanusConfig.from_dict(
        published | {"image_token_id": tokenizer.convert_tokens_to_ids("<image_placeholder>")}
    )
    JanusForConditionalGeneration(config).half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def janus_tokenizer() -> PreTrainedTokenizerFast:
    """Words of the tiny model's tokenizer with the special tokens of the published one."""
    inner = json.loads(tiny_model().tokenizer.backend_tokenizer.to_str())
    inner["added_tokens"] = []
    vocabulary = inner["model"]["vocab"]
    ordinary = sorted(vocabulary, key=vocabulary.__getitem__)[6:]  # the first six are special
    inner["model"]["vocab"] = {token: index for index, token in enumerate(ordinary)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(inner)),
        bos_token=SPECIAL.format("begin▁of▁sentence"),
        eos_token=SPECIAL.format("end▁of▁sentence"),
        pad_token=SPECIAL.format("▁pad▁"),
        chat_template=CHAT_TEMPLATE,
    )
    speakers = ["<|User|>", "<|Assistant|>"]
    marks = ["<image_placeholder>", "<begin_of_image>", "<end_of_image>", *speakers]
    tokenizer.add_tokens([AddedToken(mark, special=True) for mark in marks])
    return tokenizer


def small_dinov2(folder: Path) -> Path:
    """A randomly initialised DINOv2 in the format of ``facebook/dinov2-small``."""
    torch.manual_seed(1)
    config = Dinov2Config(hidden_size=24, num_hidden_layers=1, num_attention_heads=2, image_size=56)
    Dinov2Model(config).save_pretrained(folder)
    return folder
