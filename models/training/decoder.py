"""Sharpening the decoder of a trained VQ model, and teaching what enlarges its pictures.

Encoder and codes stay as they are. What a codebook leaves open, an absolute error answers with a
blur. Critics that tell real pictures from decoded ones, patch by patch, ask for the detail back:
one at the size that is decoded, for what things are like, one at the enlarged size for their edges.

Sources: VQGAN (arXiv 2012.09841, section 3.1): hinge loss, adaptive weight of the critic. Critics
at several sizes: pix2pixHD (arXiv 1711.11585, section 3.2). ESRGAN (arXiv 1809.00219, section 3.4):
between the weights before and after lies a decoder that is sharp without the critic's artefacts.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.janus.modeling_janus import JanusVQVAE

from adloom.models.enlarger import Enlarger
from adloom.models.precision import pretraining_precision
from adloom.models.training.codebook import reconstruction_loss

CRITIC_SHARE = 0.15
"""Weight of the critic's gradient beside that of the reconstruction, at the last layer."""
_BETAS = (0.5, 0.9)
_BEGINS = 5.0
"""Times the decoder's rate, what has learnt nothing learns by."""


class PatchCritic(nn.Module):
    """Scores how real each patch of a picture looks."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((3, 32, 64, 128)):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(128, 1, 3, padding=1))

    def forward(self, pixels: Tensor) -> Tensor:
        """``(n, 3, size, size)`` to scores ``(n, 1, size / 8, size / 8)``."""
        scores: Tensor = self.layers(pixels)
        return scores


class DecoderTrainer:
    """Trains the decoder, and the enlarger where there is one, against critics of their own.

    For the first ``critic_alone`` steps the critics only watch.
    """

    def __init__(
        self,
        vq: JanusVQVAE,
        enlarger: Enlarger | None = None,
        *,
        learning_rate: float,
        critic_alone: int,
        critic_share: float = CRITIC_SHARE,
    ) -> None:
        """``critic_share`` is the weight of a critic's gradient beside that of the
        reconstruction, at the last layer before what it sees."""
        self.vq, self.enlarger = vq, enlarger
        self.critic_alone, self.critic_share = critic_alone, critic_share
        parts: dict[str, nn.Module] = {
            "decoder": vq.decoder,
            "post_quant_conv": vq.post_quant_conv,
        }
        self._last = [vq.decoder.conv_out.weight]
        if enlarger is not None:
            parts["enlarger"] = enlarger
            self._last.append(enlarger.last.weight)
        self.critics = nn.ModuleList(PatchCritic() for _ in self._last).to(vq.device)
        self.parameters = {
            f"{name}.{key}": p for name, part in parts.items() for key, p in part.named_parameters()
        }
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        self._before = {
            name: p.detach().clone()
            for name, p in self.parameters.items()
            if not name.startswith("enlarger.")
        }
        self.all_parameters = self.parameters | dict(self.critics.named_parameters("critics"))
        self.optimizers = (
            torch.optim.AdamW(self._by_rate(learning_rate), betas=_BETAS),
            torch.optim.AdamW(self.critics.parameters(), lr=learning_rate, betas=_BETAS),
        )

    def train_step(self, codes: Tensor, pixels: Tensor, step: int) -> tuple[float, float]:
        """One step of all on codes ``(n, tokens)`` and what they stand for, in -1..1, as large
        as it is shown.

        Returns:
            Reconstruction loss and the critics' hinge loss.
        """
        drawing, criticising = self.optimizers
        with pretraining_precision(pixels.device):
            drawn = self._drawn(codes)
            real = [F.interpolate(pixels, one.shape[-2:], mode="area") for one in drawn]
            fits = [reconstruction_loss(*pair) for pair in zip(drawn, real, strict=True)]
            loss = fit = torch.stack(fits).sum()
            if step > self.critic_alone:
                for critic, one, own, last in zip(
                    self.critics, drawn, fits, self._last, strict=True
                ):
                    unreal = -critic(one).float().mean()
                    loss = loss + self._share(own, unreal, last) * unreal
        drawing.zero_grad(set_to_none=True)
        loss.backward()
        drawing.step()
        told_apart = torch.zeros((), device=pixels.device)
        with pretraining_precision(pixels.device):
            for critic, one, true in zip(self.critics, drawn, real, strict=True):
                right, false = critic(torch.cat([true, one.detach()])).float().chunk(2)
                hinge = F.relu(1 - right).mean() + F.relu(1 + false).mean()
                told_apart = told_apart + hinge / (2 * len(drawn))
        criticising.zero_grad(set_to_none=True)
        told_apart.backward()
        criticising.step()
        return fit.item(), told_apart.item()

    @torch.no_grad()
    def settle(self, share: float) -> None:
        """Go only ``share`` of the way from the decoder as it was to the trained one."""
        for name, before in self._before.items():
            parameter = self.parameters[name]
            parameter.copy_(torch.lerp(before, parameter, share))

    def _drawn(self, codes: Tensor) -> list[Tensor]:
        """Pictures of codes as they are decoded, and enlarged."""
        decoded = self.vq.decode(cast(torch.LongTensor, codes)).float()
        return [decoded] if self.enlarger is None else [decoded, self.enlarger(decoded).float()]

    def _by_rate(self, rate: float) -> list[dict[str, Any]]:
        """The decoder has learnt already; what enlarges begins."""
        rates = {"decoder": rate, "post_quant_conv": rate, "enlarger": _BEGINS * rate}
        return [
            {"params": [parameter], "lr": rates[name.split(".")[0]]}
            for name, parameter in self.parameters.items()
        ]

    def _share(self, fit: Tensor, unreal: Tensor, last: Tensor) -> Tensor:
        """Weight that makes the critic's gradient as large as that of the reconstruction."""
        of_fit, of_unreal = (
            torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (fit, unreal)
        )
        return self.critic_share * (of_fit / (of_unreal + 1e-6)).clamp(max=1e3).detach()
