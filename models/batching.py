"""Briefs to padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from adloom.models.brief import AdBrief, Codes, Example, HistoryAd
from adloom.models.codebook import to_pixels
from adloom.models.compose import on_white
from adloom.models.config import AdGeneratorConfig
from adloom.models.prompts.chat import plain_ids
from adloom.models.prompts.encoding import prompt_ids


@dataclass(frozen=True)
class BriefBatch:
    """Padded inputs of ``n`` briefs; ``k`` is the longest history in the batch (at least 1).

    ``prompt`` int64 ``(n, prompt tokens)``; ``history_codes`` int64 ``(n, k, history codes)``;
    ``history_titles`` int64 ``(n, k, title tokens)``; ``history_valid`` bool ``(n, k)``;
    ``cutouts`` float32 ``(n, 3, size, size)`` on white. Text is padded with the pad id.
    """

    prompt: Tensor
    history_codes: Tensor
    history_titles: Tensor
    history_valid: Tensor
    cutouts: Tensor

    def to(self, device: torch.device) -> BriefBatch:
        """The same batch on ``device``."""
        return BriefBatch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def rows(self, chosen: list[int]) -> BriefBatch:
        """Some of its rows, padded as they are."""
        return BriefBatch(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class TargetBatch:
    """Targets: ``titles`` int64 ``(n, title tokens)`` ending in eos, ``codes`` int64
    ``(n, image tokens)``."""

    titles: Tensor
    codes: Tensor

    def to(self, device: torch.device) -> TargetBatch:
        """The same batch on ``device``."""
        return TargetBatch(self.titles.to(device), self.codes.to(device))

    def rows(self, chosen: list[int]) -> TargetBatch:
        """Some of its rows, padded as they are."""
        return TargetBatch(self.titles[chosen], self.codes[chosen])


def encode_text(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], length: int, *, end: bool = False
) -> Tensor:
    """Token ids ``(n, length)``, cut or padded; with ``end`` an eos follows the text."""
    rows = torch.full((len(texts), length), tokenizer.pad_token_id, dtype=torch.long)
    for row, text in zip(rows, texts, strict=True):
        ids = plain_ids(tokenizer, text)[: length - end] + [tokenizer.eos_token_id] * end
        row[: len(ids)] = torch.tensor(ids, dtype=torch.long)
    return rows


def trimmed(rows: Tensor, pad: int) -> Tensor:
    """``(n, length)`` without the columns at the end that are padding in every row."""
    used = (rows != pad).any(0).nonzero()
    return rows[:, : int(used.max()) + 1] if len(used) else rows[:, :1]


def padded(rows: Sequence[Sequence[int]], pad: int) -> Tensor:
    """Token ids int64 ``(n, the longest, at least 1)``."""
    found = torch.full((len(rows), max(1, *map(len, rows))), pad, dtype=torch.long)
    for row, ids in zip(found, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.long)
    return found


def batch_briefs(
    briefs: Sequence[AdBrief], tokenizer: PreTrainedTokenizerFast, config: AdGeneratorConfig
) -> BriefBatch:
    """Pad ``briefs`` into one batch, trends before histories; what is too long is cut.

    Raises:
        ValueError: a clicked ad has as many codes as another base reads.
    """
    histories = [brief.read_ads[: config.history_items] for brief in briefs]
    longest = max(1, *(len(history) for history in histories))
    codes = np.zeros((len(briefs), longest, config.history_codes), dtype=np.int64)
    valid = np.zeros((len(briefs), longest), dtype=bool)
    titles: list[str] = []
    for row, (brief, history) in enumerate(zip(briefs, histories, strict=True)):
        for column, ad in enumerate(history):
            codes[row, column] = _fitting(ad, config)
            valid[row, column] = True
        order = brief.title_order(config.history_items)
        titles += [history[n].title for n in order] + [""] * (longest - len(history))
    title_ids = encode_text(tokenizer, titles, config.history_title_tokens)
    return BriefBatch(
        prompt=padded(
            [prompt_ids(brief, tokenizer, config) for brief in briefs], tokenizer.pad_token_id
        ),
        history_codes=torch.from_numpy(codes),
        history_titles=title_ids.view(len(briefs), longest, -1),
        history_valid=torch.from_numpy(valid),
        cutouts=to_pixels(
            [on_white(b.cutout, config.picture_size, b.placement) for b in briefs],
            config.picture_size,
        ),
    )


def _fitting(ad: HistoryAd, config: AdGeneratorConfig) -> Codes:
    if ad.codes.shape != (config.history_codes,):
        raise ValueError(
            f"a clicked ad has {ad.codes.size} codes, this base reads {config.history_codes} "
            f"({config.history_pictures}): encode its picture with the base (encode_history)"
        )
    return ad.codes


def batch_targets(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerFast, config: AdGeneratorConfig
) -> TargetBatch:
    """Targets of ``examples`` as tensors."""
    titles = trimmed(
        encode_text(tokenizer, [e.title for e in examples], config.title_tokens, end=True),
        tokenizer.pad_token_id,
    )
    codes = torch.from_numpy(np.stack([e.codes for e in examples]).astype(np.int64))
    return TargetBatch(titles, codes)
