"""Teaching what enlarges decoded pictures, and the decoder with it; codes stay as they are.

An enlarger alone can only use what the decoder found worth a pixel. Learning together, the decoder
says where an edge lies between two. Where codes do not tell, an absolute error leaves edges out.
Two losses ask for them: a critic, and how much lightness changes around each place, which is alike
for any two walls.

Sources: the critic, :mod:`adloom.models.training.critic`. Texture as statistics of a neighbourhood
and not of its pixels: Gatys et al. (arXiv 1505.07376).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.janus.modeling_janus import JanusVQVAE

from adloom.models.codebook import features_and_pixels
from adloom.models.enlarger import Enlarger
from adloom.models.precision import pretraining_precision
from adloom.models.training.codebook import opponent, reconstruction_loss
from adloom.models.training.critic import PatchCritic, as_strong
from adloom.models.training.decoder import WARM_UP, to_be_learnt
from adloom.models.training.schedule import rate_share

CRITIC_SHARE = 0.5
TEXTURE_SHARE = 1.6
"""Their gradients beside that of the reconstruction, at the last layer."""
_BETAS = (0.5, 0.9)
_SCALES = 3
_AROUND = 32
"""Pixels a side of a neighbourhood."""
_FAINT = 1e-4
"""Of squared changes; what changes less is plain."""


class EnlargerTrainer:
    """Trains an enlarger and the decoder it reads, against a critic of their own.

    Their rates fall to 0 over ``steps`` (cosine). For the first ``critic_alone`` of them the critic
    only watches.
    """

    def __init__(
        self,
        vq: JanusVQVAE,
        enlarger: Enlarger,
        *,
        learning_rate: float,
        decoder_rate: float,
        steps: int,
        critic_alone: int,
    ) -> None:
        self.vq, self.enlarger = vq, enlarger.requires_grad_(True)
        self.critic = PatchCritic().to(vq.device)
        self.critic_alone = critic_alone
        self._rates, self._steps = (decoder_rate, learning_rate), steps
        decoder = to_be_learnt(vq)
        self.all_parameters: dict[str, Tensor] = dict(decoder)
        self.all_parameters |= dict(enlarger.named_parameters(prefix="enlarger"))
        self.all_parameters |= dict(self.critic.named_parameters(prefix="critic"))
        groups = [{"params": list(decoder.values())}, {"params": list(enlarger.parameters())}]
        self.optimizers = (
            torch.optim.AdamW(groups, betas=_BETAS),
            torch.optim.AdamW(self.critic.parameters(), lr=learning_rate, betas=_BETAS),
        )

    def train_step(self, codes: Tensor, pixels: Tensor, step: int) -> tuple[float, float, float]:
        """Step number ``step`` (from 1) on codes ``(n, tokens)`` and what they stand for, in -1..1,
        as large as it is shown.

        Returns:
            Reconstruction loss, texture loss and the critic's hinge loss.
        """
        drawing, criticising = self.optimizers
        for group, rate in zip(drawing.param_groups, self._rates, strict=True):
            group["lr"] = rate * rate_share(step, self._steps, WARM_UP, least=0.0)
        last = self.enlarger.last.weight
        with pretraining_precision(pixels.device):
            drawn = self.enlarger(*features_and_pixels(self.vq, codes)).float()
            loss = fit = reconstruction_loss(drawn, pixels)
            texture = texture_loss(drawn, pixels)
            loss = loss + TEXTURE_SHARE * as_strong(texture, fit, last) * texture
            if step > self.critic_alone:
                unreal = -self.critic(drawn).float().mean()
                loss = loss + CRITIC_SHARE * as_strong(unreal, fit, last) * unreal
        drawing.zero_grad(set_to_none=True)
        loss.backward()
        drawing.step()
        with pretraining_precision(pixels.device):
            told_apart = self.critic.hinge_loss(pixels, drawn)
        criticising.zero_grad(set_to_none=True)
        told_apart.backward()
        criticising.step()
        return fit.item(), texture.item(), told_apart.item()


def texture_loss(output: Tensor, target: Tensor) -> Tensor:
    """How unlike the textures of two pictures ``(n, 3, size, size)`` are, whatever lies where;
    ``size`` is above 32.

    Of each neighbourhood, how much lightness changes and bends, across and down, at three scales,
    as logarithms; the mean absolute difference.
    """
    losses = []
    pair = torch.stack([opponent(output)[:, :1], opponent(target)[:, :1]])
    light = pair.flatten(0, 1)
    for scale in range(_SCALES):
        for order in (1, 2):
            for dim in (2, 3):
                changes = light.diff(n=order, dim=dim).square()
                around = _AROUND >> scale
                found = F.avg_pool2d(changes, around, around // 2).add(_FAINT).log()
                own, wanted = found.chunk(2)
                losses.append(F.l1_loss(own, wanted))
        light = F.avg_pool2d(light, 2)
    return torch.stack(losses).mean()
