"""The generator as the loop uses it: briefs in, drafts out, adapters by name."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from safetensors.torch import load_model, save_model

from models import codebook
from models.batching import batch_briefs
from models.brief import AdBrief, AdDraft
from models.generator import CONDITIONING_FILE, DEMO_MODEL, AdModel, Conditioning
from models.sampling import Sampling, sample

LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]


class UnknownAdapter(KeyError):
    """Raised when an adapter was never loaded."""

    def __str__(self) -> str:
        return f"adapter {self.args[0]!r} is not loaded"


class AdGenerator:
    """Generates ads with one base model and any number of named adapters.

    An adapter is a PEFT LoRA folder on the language model with the conditioning modules
    beside it (``conditioning.safetensors``).
    """

    def __init__(self, model: AdModel) -> None:
        self.model = model.eval()
        self._peft: PeftModel | None = None
        self._base_conditioning = model.conditioning
        self._conditioning: dict[str, Conditioning] = {}
        self.active: str | None = None

    @classmethod
    def from_pretrained(
        cls, path: Path | str | None = None, device: str | None = None
    ) -> AdGenerator:
        """Load a saved generator; ``None`` loads the bundled demo model.

        Raises:
            FileNotFoundError: the folder holds no saved generator.
        """
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        model = AdModel.from_pretrained(Path(path) if path else DEMO_MODEL)
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        return cls(model.to(device, dtype))

    def generate(
        self,
        briefs: Sequence[AdBrief],
        *,
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        adapter: str | None = None,
    ) -> list[AdDraft]:
        """Write and draw one ad a brief; the same brief and seed give the same ad.

        Raises:
            ValueError: there is not one seed a brief.
            UnknownAdapter: ``adapter`` was never loaded.
        """
        if len(seeds) != len(briefs):
            raise ValueError(f"{len(briefs)} briefs need as many seeds, got {len(seeds)}")
        self.activate(adapter)
        if not briefs:
            return []
        model = self.model
        batch = batch_briefs(briefs, model.tokenizer, model.config).to(model.device)
        batch.cutouts.data = batch.cutouts.to(next(model.parameters()).dtype)
        titles, codes = sample(model, batch, seeds, sampling or Sampling())
        pictures = codebook.to_pictures(codebook.decode(model.janus.model.vqmodel, codes))
        texts = model.tokenizer.batch_decode(titles, skip_special_tokens=True)
        return [
            AdDraft(text.strip(), code.astype(np.int16), picture)
            for text, code, picture in zip(texts, codes.cpu().numpy(), pictures, strict=True)
        ]

    def encode_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.int16]:
        """VQ codes of pictures of any size: int16 ``(n, image tokens)``."""
        config = self.model.config
        if not pictures:
            return np.zeros((0, config.image_tokens), dtype=np.int16)
        pixels = codebook.to_pixels(pictures, config.picture_size)
        codes = codebook.encode(self.model.janus.model.vqmodel, pixels)
        return codes.cpu().numpy().astype(np.int16)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters."""
        return tuple(self._conditioning)

    def load_adapter(self, name: str, path: Path) -> None:
        """Load an adapter folder under ``name``; loading a known name again does nothing."""
        if name in self._conditioning:
            return
        llama = self.model.janus.model.language_model
        if self._peft is None:
            self._peft = PeftModel.from_pretrained(llama, str(path), adapter_name=name)
        else:
            self._peft.load_adapter(str(path), adapter_name=name)
        conditioning = copy.deepcopy(self._base_conditioning)
        load_model(conditioning, str(path / CONDITIONING_FILE))
        self._conditioning[name] = conditioning.eval()
        self.model.eval()

    def new_adapter(self, name: str, *, rank: int, alpha: int) -> None:
        """Add a fresh LoRA adapter that starts as no change to the base."""
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=LORA_TARGETS)
        if self._peft is None:
            llama = self.model.janus.model.language_model
            self._peft = get_peft_model(llama, config, adapter_name=name)
        else:
            self._peft.add_adapter(name, config)
        self._conditioning[name] = copy.deepcopy(self._base_conditioning)

    def copy_conditioning(self, source: str, target: str) -> None:
        """Start the modules of adapter ``target`` as those of ``source``."""
        self._conditioning[target] = copy.deepcopy(self._conditioning[source])

    def save_adapter(self, name: str, folder: Path) -> None:
        """Write adapter ``name`` as safetensors: plain PEFT files and the modules beside."""
        if self._peft is None or name not in self._conditioning:
            raise UnknownAdapter(name)
        folder.mkdir(parents=True, exist_ok=True)
        # PEFT puts a named adapter into a folder of that name; plain PEFT loads from the top.
        self._peft.save_pretrained(str(folder), selected_adapters=[name])
        for file in (folder / name).iterdir() if (folder / name).is_dir() else ():
            file.replace(folder / file.name)
        if (folder / name).is_dir():
            (folder / name).rmdir()
        save_model(self._conditioning[name], str(folder / CONDITIONING_FILE))

    def drop_adapter(self, name: str) -> None:
        """Free the memory of an adapter."""
        if self._peft is None or name not in self._conditioning:
            raise UnknownAdapter(name)
        self.activate(None)
        if len(self._conditioning) == 1:
            self._peft.unload()
            self._peft = None
        else:
            self._peft.delete_adapter(name)
        del self._conditioning[name]

    def activate(self, adapter: str | None) -> None:
        """Make ``adapter`` (``None``: the bare base) the one that generates and trains.

        Raises:
            UnknownAdapter: ``adapter`` was never loaded.
        """
        self.active = None
        if adapter is None:
            if self._peft is not None:
                self._peft.base_model.disable_adapter_layers()
            self.model.conditioning = self._base_conditioning
            return
        if self._peft is None or adapter not in self._conditioning:
            raise UnknownAdapter(adapter)
        self._peft.base_model.enable_adapter_layers()
        self._peft.set_adapter(adapter)
        self.model.conditioning = self._conditioning[adapter]
        self.active = adapter
