"""A critic that tells real pictures from made ones, patch by patch, and what it weighs.

What is lost of a picture, an absolute error answers with a blur; a critic asks for the detail back.
Source: VQGAN (arXiv 2012.09841, section 3.1): hinge loss, adaptive weight of the critic.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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

    def hinge_loss(self, real: Tensor, made: Tensor) -> Tensor:
        """What it learns by, a scalar: real patches above 1, made ones below -1."""
        right, false = self(torch.cat([real, made.detach()])).float().chunk(2)
        return (F.relu(1 - right).mean() + F.relu(1 + false).mean()) / 2


def as_strong(loss: Tensor, as_this: Tensor, last: Tensor) -> Tensor:
    """The weight that gives ``loss`` the gradient of ``as_this`` at the ``last`` layer."""
    wanted, own = (
        torch.autograd.grad(one, last, retain_graph=True)[0].norm() for one in (as_this, loss)
    )
    return (wanted / (own + 1e-6)).clamp(max=1e3).detach()
