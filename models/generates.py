"""What draws ads, whether its weights are in this process or in another."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from transformers import PreTrainedTokenizerFast

from adloom.models.brief import AdBrief, AdDraft, Codes
from adloom.models.config import AdGeneratorConfig
from adloom.models.engine.request import Drawn
from adloom.models.kept_tokens import KeptAd
from adloom.models.sampling import Sampling
from adloom.models.settings import GeneratorSettings


class Generates(Protocol):
    """See :class:`adloom.models.ad_generator.AdGenerator`, whose methods these are."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """What titles are written by."""

    @property
    def config(self) -> AdGeneratorConfig:
        """Sizes, and how it is asked."""

    @property
    def base_name(self) -> str:
        """Names the base by its weights."""

    @property
    def codebook_name(self) -> str:
        """Names the codebook that pictures are encoded with, and their size."""

    @property
    def history_codebook_name(self) -> str:
        """As `codebook_name`, of the pictures of clicked ads."""

    @property
    def known_codes(self) -> int:
        """How many codes of pictures there are."""

    @property
    def code_vectors(self) -> NDArray[np.float32]:
        """What each code stands for, of unit length: float32 ``(codes, d)``."""

    @property
    def casts_shadow(self) -> bool:
        """Whether a product throws a shadow on what is drawn."""

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters."""

    def load_adapter(self, name: str, path: Path) -> None:
        """Raises FileNotFoundError, UnfitAdapter."""

    def drop_adapter(self, name: str) -> None:
        """Raises UnknownAdapter."""

    def told(self, brief: AdBrief, adapter: str | None) -> AdBrief:
        """With the trend of its category. Raises UnknownAdapter."""

    def trend_categories(self, adapter: str | None) -> tuple[str, ...]:
        """Categories whose trends an adapter knows, sorted."""

    def sampling(self, settings: GeneratorSettings | None = None) -> Sampling:
        """The draw that settings ask for."""

    def start(
        self,
        brief: AdBrief,
        *,
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        adapter: str | None = None,
        title_only: bool = False,
    ) -> Future[list[Drawn]]:
        """Let a brief join what is drawn. Raises UnknownAdapter."""

    def step(self) -> None:
        """Draw on, or wait for a moment where others do it."""

    def wake(self) -> None:
        """Let who waits in `step` go on: there is something else to do. From any thread."""

    def finish(self, started: Sequence[Future[list[Drawn]]]) -> None:
        """Step until all of these are done or have failed."""

    def draft(self, drawn: Drawn, brief: AdBrief) -> AdDraft:
        """Text and picture of what was drawn for a brief."""

    def title(self, drawn: Drawn, brief: AdBrief) -> str:
        """Text of what was drawn."""

    def title_name(self, brief: AdBrief) -> str:
        """What titles call the brief's product; "" where they need not name it."""

    def tells_product(self, brief: AdBrief) -> bool:
        """Whether that tells what the product is."""

    def own_name(self, brief: AdBrief) -> str:
        """What a title of the product's own words calls it."""

    def encode_history(self, pictures: Sequence[Image.Image]) -> NDArray[np.int16]:
        """VQ codes of pictures of clicked ads as the base reads them: int16 ``(n, tokens)``."""

    def picture_of(self, codes: Codes) -> Image.Image:
        """The picture (RGB) that codes of any size stand for."""

    def kept_tokens(self, brief: AdBrief, adapter: str | None) -> tuple[KeptAd, ...]:
        """What the fine stage keeps of a brief's history, one an ad. Raises UnknownAdapter."""
