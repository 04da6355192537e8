"""Sharpening the decoder of a trained VQ model; encoder and codes stay as they are.

What a codebook leaves open, an absolute error answers with a blur; a critic asks for the detail
back. Sources: :mod:`adloom.models.training.critic`; ESRGAN (arXiv 1809.00219, section 3.4): between
the weights before and after lies a decoder that is sharp without the critic's artefacts.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from transformers.models.janus.modeling_janus import JanusVQVAE

from adloom.models.precision import pretraining_precision
from adloom.models.training.codebook import reconstruction_loss
from adloom.models.training.critic import PatchCritic, as_strong

CRITIC_SHARE = 0.15
"""Weight of the critic's gradient beside that of the reconstruction, at the last layer."""
_BETAS = (0.5, 0.9)


class DecoderTrainer:
    """Trains the decoder against a critic of its own, a batch at a time.

    For the first ``critic_alone`` steps the critic only watches.
    """

    def __init__(self, vq: JanusVQVAE, *, learning_rate: float, critic_alone: int) -> None:
        self.vq = vq
        self.critic = PatchCritic().to(vq.device)
        self.critic_alone = critic_alone
        parts = {"decoder": vq.decoder, "post_quant_conv": vq.post_quant_conv}
        self.parameters = {
            f"{name}.{key}": p for name, part in parts.items() for key, p in part.named_parameters()
        }
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        self._before = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.all_parameters = self.parameters | dict(self.critic.named_parameters(prefix="critic"))
        self.optimizers = (
            torch.optim.AdamW(self.parameters.values(), lr=learning_rate, betas=_BETAS),
            torch.optim.AdamW(self.critic.parameters(), lr=learning_rate, betas=_BETAS),
        )

    def train_step(self, codes: Tensor, pixels: Tensor, step: int) -> tuple[float, float]:
        """One step of both on codes ``(n, tokens)`` and what they stand for, in -1..1.

        Returns:
            Reconstruction loss and the critic's hinge loss.
        """
        decoder, critic = self.optimizers
        with pretraining_precision(pixels.device):
            drawn = self.vq.decode(cast(torch.LongTensor, codes)).float()
            loss = fit = reconstruction_loss(drawn, pixels)
            if step > self.critic_alone:
                unreal = -self.critic(drawn).float().mean()
                last = self.vq.decoder.conv_out.weight
                loss = fit + CRITIC_SHARE * as_strong(unreal, fit, last) * unreal
        decoder.zero_grad(set_to_none=True)
        loss.backward()
        decoder.step()
        with pretraining_precision(pixels.device):
            told_apart = self.critic.hinge_loss(pixels, drawn)
        critic.zero_grad(set_to_none=True)
        told_apart.backward()
        critic.step()
        return fit.item(), told_apart.item()

    @torch.no_grad()
    def settle(self, share: float) -> None:
        """Go only ``share`` of the way from the decoder as it was to the trained one."""
        for name, parameter in self.parameters.items():
            parameter.copy_(torch.lerp(self._before[name], parameter, share))
