"""The part of a saved generator that turns pictures into codes, by itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from transformers import JanusConfig
from transformers.models.janus.configuration_janus import JanusVQVAEConfig
from transformers.models.janus.modeling_janus import JanusVQVAE

from adloom.models import codebook
from adloom.models.config import AdGeneratorConfig
from adloom.models.damaged_base import loading
from adloom.models.described import weight_files, weight_places
from adloom.models.generator import DEMO_MODEL

_PREFIX = "model.vqmodel."
_WEIGHTS = "model.safetensors"


class PictureEncoder:
    """Pictures to VQ codes: of whole pictures, and of those in histories as the base reads them."""

    def __init__(self, vq: JanusVQVAE, config: AdGeneratorConfig) -> None:
        self._vq = vq.eval()
        self._config = config

    @classmethod
    def from_pretrained(
        cls, path: Path | str | None = None, device: str | None = None
    ) -> PictureEncoder:
        """Load no more of a saved generator than its VQ model; ``None`` is the bundled one.

        It computes in float32: in half precision a picture gets other codes.

        Raises:
            FileNotFoundError: the folder holds no saved generator.
            DamagedBase: it is not whole.
        """
        folder = Path(path) if path else DEMO_MODEL
        config = AdGeneratorConfig.load(folder)
        with loading(folder):
            sizes = JanusConfig.from_pretrained(folder, local_files_only=True).vq_config
            vq = JanusVQVAE(cast(JanusVQVAEConfig, sizes))
            vq.load_state_dict(_weights(folder))
        place = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(vq.float().to(place), config)

    def encode(self, pictures: Sequence[Image.Image]) -> NDArray[np.int16]:
        """VQ codes of pictures of any size: int16 ``(n, image tokens)``."""
        return self._encoded(pictures, self._config.picture_size, self._config.image_tokens)

    def encode_history(self, pictures: Sequence[Image.Image]) -> NDArray[np.int16]:
        """VQ codes of pictures of clicked ads as the base reads them: int16 ``(n, tokens)``."""
        config = self._config
        return self._encoded(pictures, config.history_picture_size, config.history_codes)

    @property
    def codebook_name(self) -> str:
        """Names the codebook, and the size of the pictures."""
        return f"{self._codebook}-{self._config.picture_size}"

    @property
    def history_codebook_name(self) -> str:
        """As `codebook_name`, of the pictures of clicked ads."""
        return f"{self._codebook}-{self._config.history_picture_size}"

    @cached_property
    def code_vectors(self) -> NDArray[np.float32]:
        """What each code stands for, of unit length: float32 ``(codes, d)``."""
        entries = self._vq.quantize.embedding.weight.detach().float()
        return F.normalize(entries, dim=-1).cpu().numpy()

    @cached_property
    def _codebook(self) -> str:
        return codebook.fingerprint(self._vq)[:32]

    def _encoded(
        self, pictures: Sequence[Image.Image], size: int, tokens: int
    ) -> NDArray[np.int16]:
        if not pictures:
            return np.zeros((0, tokens), dtype=np.int16)
        codes = codebook.encode(self._vq, codebook.to_pixels(pictures, size))
        return codes.cpu().numpy().astype(np.int16)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    """Weights of the VQ model, by their names in it."""
    found: dict[str, torch.Tensor] = {}
    for file in _files(folder):
        with safe_open(str(file), framework="pt") as opened:
            names = [name for name in opened.keys() if name.startswith(_PREFIX)]  # noqa: SIM118
            found |= {name.removeprefix(_PREFIX): opened.get_tensor(name) for name in names}
    return found


def _files(folder: Path) -> list[Path]:
    files = weight_files(folder)
    if files == [folder / _WEIGHTS]:
        return files
    placed = weight_places(folder / f"{_WEIGHTS}.index.json")
    return [
        folder / name
        for name in sorted({file for weight, file in placed.items() if weight.startswith(_PREFIX)})
    ]
