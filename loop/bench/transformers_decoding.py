"""The peer of `adloom bench generate`: `transformers`' own generation of pictures by Janus.

It draws pictures after prompts of text: no histories are read, nothing is known of a product's
cutout, no title is written and no adapter is there, all of which it is given for nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from adloom.models import codebook
from adloom.models.generator import AdModel
from adloom.models.sampling import Sampling


@torch.inference_mode()
def draw_by_transformers(model: AdModel, rows: int, tokens: int, how: Sampling) -> Tensor:
    """Pictures float32 ``(rows, 3, size, size)`` after prompts of ``tokens`` tokens each."""
    words, device = model.tokenizer, model.device
    prompt = torch.full((rows, tokens), words.eos_token_id, device=device)
    prompt[:, 0], prompt[:, -1] = words.bos_token_id, model.boi_id
    config = GenerationConfig(
        guidance_scale=how.guidance,
        do_sample=True,
        temperature=how.temperature,
        top_k=how.top_k,
        top_p=how.top_p,
        max_length=tokens + model.config.image_tokens,
        bos_token_id=words.bos_token_id,
        pad_token_id=words.pad_token_id,
        generation_kwargs={"boi_token_id": model.boi_id},
    )
    janus: Any = model.janus  # its types ask for tensors of one dtype by a class that none is of
    codes = janus.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        generation_mode="image",
        generation_config=config,
    )
    return codebook.decode(model.janus.model.vqmodel, codes)
