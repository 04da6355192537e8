"""PBS, product background similarity: how alike two ads are behind their products.

Source: Uni-AdGen, section 4.1: cosine of 64-d embeddings of a contrastive encoder that was
trained to see the same background whatever the product. The paper takes a MoCo v3 ViT; this
convolutional net is small enough to train on the demo shop's scenes in minutes;
:mod:`adloom.models.quality.moco` loads such a ViT.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_model, save_file
from torch import Tensor, nn

from adloom.models.codebook import to_pixels

PBS_WEIGHTS = Path(__file__).parent / "pbs.safetensors"
PICTURE_SIZE = 64
"""Side in pixels of what the encoder looks at."""
EMBEDDING = 64
TEMPERATURE = 0.2
"""Of the contrastive loss, as in MoCo v3."""


class BadEncoder(ValueError):
    """A file holds no encoder that can be used; the message says what is wrong with it."""


class PictureEncoder(Protocol):
    """What PBS is measured with, this file's encoder or one of MoCo v3; or Inception-v3."""

    def embed(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Embeddings, float32 ``(n, width)``; those of PBS are of unit length."""


class BackgroundEncoder(nn.Module):
    """Ad pictures to unit-length background embeddings."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 128, 128)
        stages: list[nn.Module] = []
        for before, after in pairwise(widths):
            stages += [
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                nn.GroupNorm(8, after),
                nn.GELU(),
            ]
        cells = (PICTURE_SIZE // 2 ** (len(widths) - 1)) ** 2
        # The layout counts: the head sees every cell of the last grid, not their mean.
        head = (nn.Flatten(), nn.Linear(cells * widths[-1], 256), nn.GELU())
        self.layers = nn.Sequential(*stages, *head, nn.Linear(256, EMBEDDING))

    def forward(self, pixels: Tensor) -> Tensor:
        """``(n, 3, 64, 64)`` in -1..1 to ``(n, 64)`` of unit length."""
        return F.normalize(self.layers(pixels), dim=-1)

    @torch.inference_mode()
    def embed(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Embeddings of square pictures of any size: float32 ``(n, 64)``."""
        if not pictures:
            return np.zeros((0, EMBEDDING), dtype=np.float32)
        device = next(self.parameters()).device
        pixels = to_pixels(pictures, PICTURE_SIZE).to(device)
        embedded: NDArray[np.float32] = self(pixels).cpu().numpy()
        return embedded

    def save_pretrained(self, path: Path) -> None:
        """Write the weights into the file ``path``, in half precision."""
        path.parent.mkdir(parents=True, exist_ok=True)
        weights = {name: weight.half() for name, weight in self.state_dict().items()}
        save_file(weights, str(path), metadata={"format": "pt"})

    @classmethod
    def from_pretrained(cls, path: Path | None = None) -> BackgroundEncoder:
        """Load what :meth:`save_pretrained` wrote; ``None`` loads the bundled weights.

        Raises:
            FileNotFoundError: there is no such file.
            BadEncoder: it holds other weights, or is damaged.
        """
        path = path or PBS_WEIGHTS
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no background encoder there; `adloom pretrain-pbs` trains one"
            )
        encoder = cls()
        try:
            load_model(encoder, str(path))
        except (SafetensorError, RuntimeError) as error:
            raise BadEncoder(f"{path}: damaged, or no background encoder") from error
        return encoder.eval()


def background_similarity(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float32]:
    """PBS of pairs of embedded pictures: cosines in -1..1, float32 ``(n,)``.

    Args:
        first: embeddings of unit length, ``(n, 64)``.
        second: what each is compared to, same shape.
    """
    similarity: NDArray[np.float32] = (first * second).sum(axis=1)
    return similarity


def contrastive_loss(first: Tensor, second: Tensor) -> Tensor:
    """InfoNCE over both directions: row i of one half belongs to row i of the other.

    Args:
        first: unit-length embeddings ``(n, width)``.
        second: embeddings of the same backgrounds behind other products, same shape.

    Returns:
        Scalar, nats; all other rows are negatives.
    """
    logits = first @ second.T / TEMPERATURE
    wanted = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2
