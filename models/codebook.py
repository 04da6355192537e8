"""Pictures to image tokens and back, by the VQ model of Janus."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers.models.janus.modeling_janus import JanusVQVAE

_AT_ONCE = 32
_AT_ONCE_ON_CPU = 4  # what fits into its cache: a quarter faster than 32


def to_pixels(pictures: Sequence[Image.Image], size: int) -> Tensor:
    """RGB pictures as float32 ``(n, 3, size, size)`` in -1..1."""
    arrays = [
        np.asarray(p.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))
        for p in pictures
    ]
    stacked = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
    return stacked.float() / 127.5 - 1.0


def to_pictures(pixels: Tensor) -> list[Image.Image]:
    """Inverse of :func:`to_pixels`: ``(n, 3, h, w)`` in -1..1 to RGB pictures."""
    levels = ((pixels.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return [Image.fromarray(p) for p in levels.permute(0, 2, 3, 1).cpu().numpy()]


@torch.no_grad()
def encode(vq: JanusVQVAE, pixels: Tensor) -> Tensor:
    """Codes of pictures: ``(n, 3, size, size)`` to int64 ``(n, tokens)``."""
    batch = _AT_ONCE if vq.device.type != "cpu" else _AT_ONCE_ON_CPU
    codes = [
        vq.encode(part.to(vq.device, vq.dtype)).image_tokens.view(len(part), -1)
        for part in pixels.split(batch)
    ]
    return torch.cat(codes)


@torch.no_grad()
def decode(vq: JanusVQVAE, codes: Tensor, batch: int = 32) -> Tensor:
    """Pictures of codes: int64 ``(n, tokens)`` to ``(n, 3, size, size)`` in about -1..1.

    ``tokens`` may be those of any square picture.
    """
    return torch.cat([_decoded(vq, part.to(vq.device)) for part in codes.split(batch)])


def _decoded(vq: JanusVQVAE, codes: Tensor) -> Tensor:
    """What ``vq.decode`` makes of codes, which takes those of one size alone."""
    entries = F.normalize(vq.quantize.embedding(codes), dim=-1)
    side = math.isqrt(codes.shape[1])
    latents = entries.transpose(1, 2).unflatten(2, (side, side))
    pixels: Tensor = vq.decoder(vq.post_quant_conv(latents))
    return pixels


def features_and_pixels(vq: JanusVQVAE, codes: Tensor) -> tuple[Tensor, Tensor]:
    """What the decoder makes pixels of, ``(n, channels, size, size)``, and these."""
    made: list[Tensor] = []
    hook = vq.decoder.conv_out.register_forward_pre_hook(lambda _, inputs: made.append(inputs[0]))
    try:
        pixels = _decoded(vq, codes)
    finally:
        hook.remove()
    return made[0], pixels


def fingerprint(vq: JanusVQVAE) -> str:
    """Names the encoder by its weights: codes that another made mean other pictures."""
    digest = hashlib.sha256()
    for name, weight in sorted(vq.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
