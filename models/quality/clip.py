"""How well a picture goes with a text, by a CLIP model in transformers' format.

Sources: CLIPScore (arXiv 2104.08718, here with weight 100 as it is mostly reported); PickScore
(arXiv 2305.01569), a CLIP model that was trained on what people prefer. ImageReward is no model of
transformers and has no place here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from transformers import CLIPModel, CLIPProcessor, PretrainedConfig

from adloom.models.public_checkpoint import whole

_AT_ONCE = 32
_UNLOADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    ImportError,
    SafetensorError,
)


class BadScorer(ValueError):
    """A folder holds no model that can score; the message says what is wrong with it."""


class ClipScorer:
    """Cosines of pictures and texts, times a factor."""

    def __init__(self, folder: Path, device: str, *, learnt_scale: bool) -> None:
        """Load a folder that ``save_pretrained`` wrote, of model and processor.

        ``learnt_scale``: the factor is the model's own; else it is 100, and what is below 0 is 0.

        Raises:
            BadScorer: there is no CLIP model in it, or files are missing or damaged.
        """
        if not folder.is_dir():
            raise BadScorer(f"{folder}: there is no such folder; give one with a CLIP model")
        try:
            kind = PretrainedConfig.get_config_dict(str(folder))[0].get("model_type")
            if kind != "clip":
                raise BadScorer(f"{folder} holds no CLIP model (its config.json says {kind!r})")
            self._processor = CLIPProcessor.from_pretrained(str(folder))
            self._model: CLIPModel = whole(CLIPModel, str(folder), dtype=torch.float32)
        except BadScorer:
            raise
        except _UNLOADABLE as error:
            first = (str(error).splitlines() or [""])[0]
            raise BadScorer(f"{folder}: model or processor cannot be loaded: {first}") from error
        self._model.eval().to(torch.device(device))
        self._longest = self._model.text_model.embeddings.position_embedding.num_embeddings
        self._learnt_scale = learnt_scale

    @classmethod
    def clip_score(cls, folder: Path, device: str = "cpu") -> ClipScorer:
        """CLIPScore, 0..100."""
        return cls(folder, device, learnt_scale=False)

    @classmethod
    def pick_score(cls, folder: Path, device: str = "cpu") -> ClipScorer:
        """PickScore: about 20 for a good picture."""
        return cls(folder, device, learnt_scale=True)

    @torch.inference_mode()
    def scores(self, pictures: Sequence[Image.Image], texts: Sequence[str]) -> NDArray[np.float32]:
        """One score a pair, float32 ``(n,)``; a text is cut off where the model has no room."""
        parts = [
            self._cosines(pictures[start : start + _AT_ONCE], texts[start : start + _AT_ONCE])
            for start in range(0, len(pictures), _AT_ONCE)
        ]
        cosines: NDArray[np.float32] = np.concatenate(parts)
        if self._learnt_scale:
            return np.float32(self._model.logit_scale.exp().item()) * cosines
        return np.float32(100) * cosines.clip(0)

    def _cosines(
        self, pictures: Sequence[Image.Image], texts: Sequence[str]
    ) -> NDArray[np.float32]:
        given = self._processor(
            text=list(texts),
            images=[picture.convert("RGB") for picture in pictures],
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=self._longest,
        ).to(self._model.device)
        found = self._model(**given)
        cosines: NDArray[np.float32] = (found.image_embeds * found.text_embeds).sum(1).cpu().numpy()
        return cosines
