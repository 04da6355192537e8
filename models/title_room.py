"""What a saved generator's titles say and have room for; nothing but its texts is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from adloom.models.config import AdGeneratorConfig
from adloom.models.generator import DEMO_MODEL
from adloom.models.titles.fit import FittedName, TitleWants, wanted_name


@dataclass(frozen=True)
class TitleRoom:
    """The titles of a generator: by which tokenizer, of how many tokens, and what they say."""

    tokenizer: PreTrainedTokenizerFast
    tokens: int
    wants: TitleWants

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast, config: AdGeneratorConfig) -> TitleRoom:
        """That of a generator that is loaded."""
        return cls(tokenizer, config.title_tokens, config.title_wants)

    @classmethod
    def of_saved(cls, folder: Path | None) -> TitleRoom:
        """That of a generator in a folder; None is the bundled one.

        Raises:
            FileNotFoundError: ``folder`` holds no saved generator.
        """
        folder = folder or DEMO_MODEL
        config = AdGeneratorConfig.load(folder)
        return cls.of(
            PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True), config
        )

    def fitted(self, name: str, short_name: str, words: Sequence[str]) -> FittedName | None:
        """What titles call a product; None where one of its ``words`` is enough.

        Raises:
            ValueError: as :func:`adloom.models.titles.fit.fit_name`.
        """
        return wanted_name(self.tokenizer, self.wants, name, short_name, words, self.tokens)
