"""The ad generator on a public Janus-Pro checkpoint (arXiv 2501.17811).

The same :class:`adloom.models.generator.AdModel` as the bundled one, in the paper's own sizes. Its
conditioning modules start untrained: fine-tune them on ads before drawing any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from transformers import Dinov2Model, JanusConfig

from adloom.models.config import AdGeneratorConfig
from adloom.models.generator import AdModel
from adloom.models.janus import JanusForConditionalGeneration
from adloom.models.prompts.encoding import check_prompt
from adloom.models.public_checkpoint import (
    JANUS_PRO_1B,
    janus_config,
    janus_tokenizer,
    refuse_other_kinds,
    whole,
)
from adloom.models.sampling import BaseSampling

JANUS_PRO_7B = "deepseek-community/Janus-Pro-7B"
DINOV2_SMALL = "facebook/dinov2-small"
_HEAD_WIDTH = 128


def paper_config(janus: JanusConfig, *, dinov2: bool = True) -> AdGeneratorConfig:
    """Sizes of Uni-AdGen (sections 3.2 to 3.4) around a Janus-Pro configuration.

    64 tokens a history picture, 30 a history title, 40 % of them kept; foreground features
    before every 6th layer, each time through an MLP of its own; asked in the conversation that
    Janus was tuned on; drawn with guidance 5 at temperature 1; titles have words of their product,
    as PAd1M's do.
    """
    width: int = janus.get_text_config().hidden_size
    vision, codebook = cast(Any, janus.vision_config), cast(Any, janus.vq_config)
    return AdGeneratorConfig(
        picture_size=vision.image_size,
        grid=codebook.num_patches,
        history_grid=8,
        history_pictures="codes",
        history_title_tokens=30,
        conditioning_heads=max(1, width // _HEAD_WIDTH),
        prompt_tokens=96,
        title_tokens=64,
        foreground_every=6,
        foreground="dinov2" if dinov2 else "small",
        foreground_mlps="each",
        product_in_picture=True,
        prompt="chat",
        sampling=BaseSampling(guidance=5.0, temperature=1.0, title_temperature=1.0),
        title_wants="words",
    )


def load_janus(
    checkpoint: str | Path = JANUS_PRO_1B,
    *,
    dinov2: str | Path | None = DINOV2_SMALL,
    config: AdGeneratorConfig | None = None,
    dtype: torch.dtype = torch.bfloat16,
) -> AdModel:
    """Build an ad generator on a Janus checkpoint as ``transformers`` reads it.

    Args:
        checkpoint: name on the Hugging Face hub, or a folder.
        dinov2: DINOv2 for foreground perception, same; ``None`` takes the small encoder.
        config: sizes; those of the paper where not given.
        dtype: what Janus computes in.

    Raises:
        OSError: there is no such checkpoint, here or on the hub.
        ValueError: one is of another kind or in the original repository's format, or its tokenizer
            is not one of Janus or cannot ask as ``config`` says: nothing is loaded by then. Or
            weights of it are missing.
    """
    refuse_other_kinds(checkpoint, "janus")
    if dinov2 is not None:
        refuse_other_kinds(dinov2, "dinov2")
    described = janus_config(checkpoint)
    if config is None:
        config = paper_config(described, dinov2=dinov2 is not None)
    tokenizer = janus_tokenizer(checkpoint)
    check_prompt(tokenizer, config)
    janus = whole(JanusForConditionalGeneration, checkpoint, config=described, dtype=dtype)
    backbone = None if dinov2 is None else whole(Dinov2Model, dinov2)
    with torch.no_grad():
        # Decoding takes codes by their direction; with unit codes encoding does so too.
        codes = janus.model.vqmodel.quantize.embedding.weight
        codes.copy_(F.normalize(codes.float(), dim=-1))
    return AdModel(janus, tokenizer, config, backbone).eval()
