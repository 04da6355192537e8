"""The generator as the loop uses it: briefs in, drafts out, adapters by name."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from adloom.models import codebook
from adloom.models.adapters import AdaptedModel
from adloom.models.brief import AdBrief, AdDraft
from adloom.models.engine import Drawn, Engine, Wanted
from adloom.models.engine.matmul import fast_dtype
from adloom.models.generator import DEMO_MODEL, AdModel
from adloom.models.picture_encoder import PictureEncoder
from adloom.models.sampling import Sampling
from adloom.models.settings import GeneratorSettings
from adloom.models.titles.fit import fit_name, title_name
from adloom.models.titles.mentions import spelt
from adloom.models.titles.rules import TitleRules


class AdGenerator(AdaptedModel):
    """Generates ads, each with the base or one of its adapters."""

    def __init__(self, model: AdModel, *, rows: int = 16, dtype: torch.dtype | None = None) -> None:
        """Wrap a model; at most ``rows`` ads are drawn at a time, what is above waits.

        ``dtype`` is what the products of drawing compute in; ``None`` is bfloat16 where
        the processor has instructions for it, else that of the model.
        """
        super().__init__(model.eval())
        self._rows = rows
        self._dtype = dtype
        self._engine: Engine | None = None
        self.pictures = PictureEncoder(model.janus.model.vqmodel, model.config)

    @classmethod
    def from_pretrained(
        cls, path: Path | str | None = None, device: str | None = None, *, rows: int = 16
    ) -> AdGenerator:
        """Load a saved generator; ``None`` loads the bundled demo model. ``rows`` as above.

        The base computes in bfloat16 on a GPU and in float32 on a CPU.

        Raises:
            FileNotFoundError: the folder holds no saved generator.
        """
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        model = AdModel.from_pretrained(Path(path) if path else DEMO_MODEL, dtype=dtype)
        return cls(model.to(device), rows=rows)

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
        started = [
            self.start(brief, seeds=[seed], sampling=sampling, adapter=adapter)
            for brief, seed in zip(briefs, seeds, strict=True)
        ]
        self.finish(started)
        return [
            self.draft(future.result()[0], brief)
            for future, brief in zip(started, briefs, strict=True)
        ]

    def candidates(
        self,
        brief: AdBrief,
        *,
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        adapter: str | None = None,
    ) -> list[AdDraft]:
        """One ad a seed for one brief, which is encoded once for all of them.

        Raises:
            UnknownAdapter: ``adapter`` was never loaded.
        """
        started = self.start(brief, seeds=seeds, sampling=sampling, adapter=adapter)
        self.finish([started])
        return [self.draft(drawn, brief) for drawn in started.result()]

    def start(
        self,
        brief: AdBrief,
        *,
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        adapter: str | None = None,
        title_only: bool = False,
    ) -> Future[list[Drawn]]:
        """Let a brief join the running batch; it is drawn while :meth:`step` is called.

        The adapter counts as it is now: it may change or be dropped before the ad is done. With
        ``title_only`` no picture is drawn.

        Raises:
            UnknownAdapter: ``adapter`` was never loaded.
        """
        told = self.told(brief, adapter)
        snapshot = self._snapshot(adapter)
        how = sampling or self.sampling()
        return self.engine.submit(Wanted(told, tuple(seeds), how, snapshot, title_only))

    def sampling(self, settings: GeneratorSettings | None = None) -> Sampling:
        """The draw that ``settings`` ask for, the base's own where they say nothing."""
        return Sampling.of(self.model.config.sampling, settings)

    def step(self) -> None:
        """Draw the next tokens of every ad that is under way."""
        if self._engine is not None:
            self._engine.step()

    def finish(self, started: Sequence[Future[list[Drawn]]]) -> None:
        """Step until all of these are done or have failed."""
        for future in started:
            while not future.done():
                self.step()

    def rest(self) -> None:
        """Free what drawing holds beside the weights, until an ad is drawn again."""
        with self._changing:
            if self._engine is not None and not self._engine.running:
                self._engine = None

    def draft(self, drawn: Drawn, brief: AdBrief) -> AdDraft:
        """Text and picture of what was drawn for a brief.

        A picture is decoded by itself, so it is the same to a bit whatever was drawn with it.
        """
        pixels = (self._engine or self.engine).picture(drawn)
        codes = drawn.codes.numpy().astype(np.int16)
        picture = codebook.to_pictures(pixels)[0]
        return AdDraft(self.title(drawn, brief), codes, picture, drawn.cut, drawn.steps)

    def title(self, drawn: Drawn, brief: AdBrief) -> str:
        """Text of what was drawn for a brief, the product's name spelt as it is."""
        text = self.model.tokenizer.decode(
            list(drawn.title), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return spelt(str(text).strip(), self.title_name(brief)).strip()

    def title_name(self, brief: AdBrief) -> str:
        """What titles call the brief's product: its name as far as a title has room for it.

        "" where one of its words is enough for the base. A name that this tokenizer cannot spell
        stays as it is.
        """
        config, words = self.model.config, (brief.titles or TitleRules()).phrases
        try:
            return title_name(
                self.model.tokenizer,
                config.title_wants,
                brief.product_name,
                brief.short_name,
                words(brief.selling_words, ""),
                config.title_tokens,
            )
        except ValueError:
            return brief.product_name

    def fitting_name(self, brief: AdBrief) -> str:
        """The brief's product's name as far as a title has room for it, wanted or not."""
        if name := self.title_name(brief):
            return name
        model, names = self.model, (brief.product_name, brief.short_name)
        try:
            return fit_name(model.tokenizer, *names, model.config.title_tokens).text
        except ValueError:
            return brief.product_name

    @property
    def engine(self) -> Engine:
        """What draws, on the base's weights as they are when it runs nothing."""
        with self._changing:
            if self._engine is None or not (self._engine.running or self._engine.up_to_date):
                dtype = self._dtype or fast_dtype(self.model.janus.dtype, self.model.device)
                self._engine = Engine(self.model, rows=self._rows, dtype=dtype)
            return self._engine

    @property
    def casts_shadow(self) -> bool:
        """Whether a product throws a shadow on what is drawn: a base that draws it has it there."""
        return not self.model.config.product_in_picture

    def encode_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.int16]:
        """VQ codes of pictures of any size: int16 ``(n, image tokens)``."""
        return self.pictures.encode(pictures)

    def encode_history(self, pictures: Sequence[Image.Image]) -> NDArray[np.int16]:
        """VQ codes of pictures of clicked ads as the base reads them: int16 ``(n, tokens)``."""
        return self.pictures.encode_history(pictures)

    @property
    def history_codebook_name(self) -> str:
        """As `codebook_name`, of the pictures of clicked ads."""
        return self.pictures.history_codebook_name

    @property
    def codebook_name(self) -> str:
        """Names the codebook that pictures are encoded with, and their size."""
        return self.pictures.codebook_name
