"""The generator as the loop uses it: briefs in, drafts out, adapters by name."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import PreTrainedTokenizerFast

from adloom.models import codebook
from adloom.models.ad_texts import AdTexts
from adloom.models.adapters import AdaptedModel
from adloom.models.brief import AdBrief, AdDraft, Codes
from adloom.models.config import AdGeneratorConfig
from adloom.models.engine import Drawn, Engine, Wanted
from adloom.models.engine.matmul import fast_dtype
from adloom.models.generator import DEMO_MODEL, AdModel
from adloom.models.kept_tokens import KeptAd, kept_tokens
from adloom.models.picture_encoder import PictureEncoder
from adloom.models.sampling import Sampling


class AdGenerator(AdaptedModel, AdTexts):
    """Generates ads, each with the base or one of its adapters."""

    def __init__(
        self,
        model: AdModel,
        *,
        rows: int = 16,
        dtype: torch.dtype | None = None,
        int8: bool = True,
    ) -> None:
        """Wrap a model; at most ``rows`` ads are drawn at a time, what is above waits.

        ``dtype`` is what the products of drawing compute in; ``None`` is bfloat16 where
        the processor has instructions for it, else that of the model. With ``int8`` a CPU may
        decode pictures in 8 bits, where it is faster so.
        """
        super().__init__(model.eval())
        self._rows = rows
        self._dtype, self._int8 = dtype, int8
        self._engine: Engine | None = None
        self.pictures = PictureEncoder(model.janus.model.vqmodel, model.config)

    @classmethod
    def from_pretrained(
        cls,
        path: Path | str | None = None,
        device: str | None = None,
        *,
        rows: int = 16,
        int8: bool = True,
    ) -> AdGenerator:
        """Load a saved generator; ``None`` loads the bundled demo model. ``rows`` and ``int8`` as
        above.

        The base computes in bfloat16 on a GPU and in float32 on a CPU.

        Raises:
            FileNotFoundError: the folder holds no saved generator.
        """
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        model = AdModel.from_pretrained(Path(path) if path else DEMO_MODEL, dtype=dtype)
        return cls(model.to(device), rows=rows, int8=int8)

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

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """What titles are written by."""
        return self.model.tokenizer

    @property
    def config(self) -> AdGeneratorConfig:
        """Sizes, and how it is asked."""
        return self.model.config

    def step(self) -> None:
        """Draw the next tokens of every ad that is under way."""
        if self._engine is not None:
            self._engine.step()

    def wake(self) -> None:
        """Nobody waits in `step`: it draws."""

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

    def background(self, drawn: Drawn) -> Image.Image:
        """The picture of what was drawn (RGB)."""
        return codebook.to_pictures((self._engine or self.engine).picture(drawn))[0]

    def picture_of(self, codes: Codes) -> Image.Image:
        """The picture (RGB) that codes of any size stand for."""
        wanted = torch.from_numpy(codes.astype(np.int64))
        pixels = codebook.decode(self.model.janus.model.vqmodel, wanted[None])
        return codebook.to_pictures(pixels)[0]

    def kept_tokens(self, brief: AdBrief, adapter: str | None) -> tuple[KeptAd, ...]:
        """What the fine stage keeps of a brief's history, one an ad.

        Raises:
            UnknownAdapter: ``adapter`` was never loaded.
        """
        return kept_tokens(self.model, [brief], self.conditioning(adapter))[0]

    @property
    def known_codes(self) -> int:
        """How many codes of pictures there are."""
        return int(self.model.janus.model.generation_embeddings.num_embeddings)

    @property
    def engine(self) -> Engine:
        """What draws, on the base's weights as they are when it runs nothing."""
        with self._changing:
            if self._engine is None or not (self._engine.running or self._engine.up_to_date):
                dtype = self._dtype or fast_dtype(self.model.janus.dtype, self.model.device)
                self._engine = Engine(self.model, rows=self._rows, dtype=dtype, int8=self._int8)
            return self._engine

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

    @property
    def code_vectors(self) -> NDArray[np.float32]:
        """What each code stands for, of unit length: float32 ``(codes, d)``."""
        return self.pictures.code_vectors
