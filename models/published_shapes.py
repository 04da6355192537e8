"""Shapes of the public checkpoints, as their config.json have them: sizes without their weights."""

from __future__ import annotations

from typing import Literal, get_args

from transformers import Dinov2Config, JanusConfig

JanusSize = Literal["1B", "7B"]
JANUS_SIZES: tuple[JanusSize, ...] = get_args(JanusSize)
_LAYERS = {"1B": 24, "7B": 30}
_HEADS = {"1B": 16, "7B": 32}
_WIDTH = {"1B": 2048, "7B": 4096}
_FEED_FORWARD = {"1B": 5632, "7B": 11008}


def janus_pro(size: JanusSize) -> JanusConfig:
    """The configuration of Janus-Pro-1B or -7B.

    Words are read and written by two matrices: their language model is a Llama that says nothing
    of one for both. So the weights published (4.15 GB and 14.8 GB in 16 bits) are as many as here.
    """
    width = _WIDTH[size]
    return JanusConfig(
        text_config={
            "model_type": "llama",
            "vocab_size": 102400,
            "hidden_size": width,
            "intermediate_size": _FEED_FORWARD[size],
            "num_hidden_layers": _LAYERS[size],
            "num_attention_heads": _HEADS[size],
            "num_key_value_heads": _HEADS[size],
            "max_position_embeddings": 16384,
            "bos_token_id": 100000,
            "eos_token_id": 100001,
            "pad_token_id": 100002,
        },
        vision_config={"image_size": 384, "patch_size": 16, "projection_dim": width},
        vq_config={
            "embed_dim": 8,
            "num_embeddings": 16384,
            "projection_dim": width,
            "image_token_embed_dim": width,
        },
        image_token_id=100581,
        tie_word_embeddings=False,
    )


def dinov2_small() -> Dinov2Config:
    """The configuration of ``facebook/dinov2-small``."""
    return Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14)
