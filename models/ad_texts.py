"""What a generator tells of ads by its tokenizer and its sizes alone, wherever its weights are."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from PIL import Image
from transformers import PreTrainedTokenizerFast

from adloom.models.brief import AdBrief, AdDraft
from adloom.models.config import AdGeneratorConfig
from adloom.models.engine.request import Drawn
from adloom.models.sampling import Sampling
from adloom.models.settings import GeneratorSettings
from adloom.models.titles.fit import FittedName, fit_name, wanted_name
from adloom.models.titles.mentions import begun, says_nothing_but, spelt
from adloom.models.titles.rules import TitleRules


class AdTexts(ABC):
    """Titles and names as a generator writes them, and drafts of what it drew."""

    @property
    @abstractmethod
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """What titles are written by."""

    @property
    @abstractmethod
    def config(self) -> AdGeneratorConfig:
        """Sizes, and how it is asked."""

    @abstractmethod
    def background(self, drawn: Drawn) -> Image.Image:
        """The picture of what was drawn (RGB)."""

    def draft(self, drawn: Drawn, brief: AdBrief) -> AdDraft:
        """Text and picture of what was drawn for a brief.

        A picture is decoded by itself, so it is the same to a bit whatever was drawn with it.
        """
        picture = self.background(drawn)
        codes = drawn.codes.numpy().astype(np.int16)
        return AdDraft(self.title(drawn, brief), codes, picture, drawn.cut, drawn.steps)

    def sampling(self, settings: GeneratorSettings | None = None) -> Sampling:
        """The draw that ``settings`` ask for, the base's own where they say nothing."""
        return Sampling.of(self.config.sampling, settings)

    def title(self, drawn: Drawn, brief: AdBrief) -> str:
        """Text of what was drawn for a brief, the product's name spelt as it is.

        A name alone is no sentence: it has no mark at its end that its shop did not write.
        """
        text = self.tokenizer.decode(
            list(drawn.title), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        name = self.title_name(brief)
        title = spelt(str(text).strip(), name).strip()
        return name if says_nothing_but(title, name) else begun(title, name, brief.language)

    def title_name(self, brief: AdBrief) -> str:
        """What titles call the brief's product: its name as far as a title has room for it.

        "" where one of its words is enough for the base. A name that this tokenizer cannot spell
        stays as it is.
        """
        try:
            fitted = self._fitted(brief)
        except ValueError:
            return brief.product_name
        return "" if fitted is None else fitted.text

    def tells_product(self, brief: AdBrief) -> bool:
        """Whether what titles call the brief's product tells what it is: a name that does not fit
        may be cut before its noun."""
        try:
            fitted = self._fitted(brief)
        except ValueError:
            return True
        return fitted is None or fitted.tells

    def own_name(self, brief: AdBrief) -> str:
        """The brief's product's name, wanted or not: whole where titles have no room for what
        tells what it is."""
        names = brief.product_name, brief.short_name
        try:
            fitted = self._fitted(brief)
            return (fitted or fit_name(self.tokenizer, *names, self.config.title_tokens)).own
        except ValueError:
            return brief.product_name

    def _fitted(self, brief: AdBrief) -> FittedName | None:
        config, words = self.config, (brief.titles or TitleRules()).phrases
        return wanted_name(
            self.tokenizer,
            config.title_wants,
            brief.product_name,
            brief.short_name,
            words(brief.selling_words, ""),
            config.title_tokens,
        )

    @property
    def casts_shadow(self) -> bool:
        """Whether a product throws a shadow on what is drawn: a base that draws it has it there."""
        return not self.config.product_in_picture
