"""How much room a saved generator has for titles; nothing but its texts is loaded."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedTokenizerFast

from adloom.models.config import AdGeneratorConfig
from adloom.models.generator import DEMO_MODEL


def title_room(folder: Path | None) -> tuple[PreTrainedTokenizerFast, int]:
    """A saved generator's tokenizer, and how many tokens its titles have room for.

    Args:
        folder: of the generator; None is the bundled one.

    Raises:
        FileNotFoundError: ``folder`` holds no saved generator.
    """
    folder = folder or DEMO_MODEL
    config = AdGeneratorConfig.load(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    return tokenizer, config.title_tokens
