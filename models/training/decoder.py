"""The decoder of a trained VQ model learns on; encoder and codes stay as they are.

While a codebook is learnt, what codes mean keeps moving. Once it stays, the decoder finds in codes
and their neighbours what it left out before, such as where the joints of a wall lie.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from transformers.models.janus.modeling_janus import JanusVQVAE

from adloom.models.precision import pretraining_precision
from adloom.models.training.codebook import reconstruction_loss
from adloom.models.training.schedule import rate_share

WARM_UP = 50
"""Steps after which the rate is whole."""


def to_be_learnt(vq: JanusVQVAE) -> dict[str, nn.Parameter]:
    """The decoder's parameters by name, which learn from now on; nothing else of ``vq`` does."""
    vq.requires_grad_(False)
    parts = {"decoder": vq.decoder, "post_quant_conv": vq.post_quant_conv}
    found = {
        f"{name}.{key}": p for name, part in parts.items() for key, p in part.named_parameters()
    }
    for parameter in found.values():
        parameter.requires_grad_(True)
    return found


class DecoderTrainer:
    """Trains the decoder, a batch at a time, at a rate that falls to 0 over ``steps`` (cosine)."""

    def __init__(self, vq: JanusVQVAE, *, learning_rate: float, steps: int) -> None:
        self.vq, self._rate, self._steps = vq, learning_rate, steps
        self.parameters = to_be_learnt(vq)
        self.optimizer = torch.optim.AdamW(self.parameters.values(), betas=(0.9, 0.95))

    def train_step(self, codes: Tensor, pixels: Tensor, step: int) -> float:
        """Step number ``step`` (from 1) on codes ``(n, tokens)`` and what they stand for, in -1..1.

        Returns:
            The reconstruction loss.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate * rate_share(step, self._steps, WARM_UP, least=0.0)
        with pretraining_precision(pixels.device):
            drawn = self.vq.decode(cast(torch.LongTensor, codes)).float()
            loss = reconstruction_loss(drawn, pixels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()
