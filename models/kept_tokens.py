"""What the fine stage kept of a history, in the shape of its pictures and titles, for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from adloom.models.batching import batch_briefs
from adloom.models.brief import AdBrief
from adloom.models.conditioning import Conditioning
from adloom.models.generator import AdModel
from adloom.models.preference import Selection


@dataclass(frozen=True)
class KeptAd:
    """One ad of a history as the fine stage (Uni-AdGen, section 3.3) saw it.

    Attributes:
        picture_scores: cosine of every picture token with its context, float32
            ``(history grid, history grid)``, top row first.
        picture_kept: bool, same shape: which of them passed.
        words: text of every title token that was looked at; a character of several tokens is
            that of the last of them.
        word_scores: float32 ``(words,)``.
        words_kept: bool ``(words,)``.
    """

    picture_scores: NDArray[np.float32]
    picture_kept: NDArray[np.bool_]
    words: tuple[str, ...]
    word_scores: NDArray[np.float32]
    words_kept: NDArray[np.bool_]


@torch.inference_mode()
def kept_tokens(
    model: AdModel, briefs: Sequence[AdBrief], conditioning: Conditioning | None = None
) -> list[tuple[KeptAd, ...]]:
    """For each brief, one map an ad of its history, in that order; empty for a cold start.

    ``conditioning`` are the modules that look; ``None`` is the model's own.
    """
    if not briefs:
        return []
    config, tokenizer = model.config, model.tokenizer
    batch = batch_briefs(briefs, tokenizer, config).to(model.device)
    taste = model.prefer(batch, conditioning=conditioning)
    rows, items = batch.history_valid.shape
    grid = (rows, items, config.history_grid, config.history_grid)
    picture_scores, picture_kept = (part.reshape(grid) for part in _maps(taste.picture_selection))
    title = (rows, items, config.history_title_tokens)
    word_scores, words_kept = (part.reshape(title) for part in _maps(taste.title_selection))
    ids = batch.history_titles.cpu().numpy()
    valid = batch.history_valid.cpu().numpy()
    orders = [brief.title_order(config.history_items) for brief in briefs]
    return [
        tuple(
            KeptAd(
                picture_scores[row, item],
                picture_kept[row, item],
                _pieces(tokenizer, ids[row, place][written].tolist()),
                word_scores[row, place][written],
                words_kept[row, place][written],
            )
            for item in range(int(valid[row].sum()))
            for place in [order.index(item)]
            for written in [ids[row, place] != tokenizer.pad_token_id]
        )
        for row, order in enumerate(orders)
    ]


def _pieces(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> tuple[str, ...]:
    """What each token adds to the text, in whole characters; joined they are the text."""
    pieces: list[str] = []
    told = ""
    for end in range(1, len(ids) + 1):
        text = str(tokenizer.decode(ids[:end])).rstrip("\ufffd")  # half a character so far
        pieces.append(text[len(told) :])
        told = text
    return tuple(pieces)


def _maps(selection: Selection) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scores and kept flags of every input token, ``(rows, tokens)`` each."""
    scores = selection.scores.float()
    kept = torch.zeros_like(scores).scatter_add(1, selection.index, selection.valid.float())
    return scores.cpu().numpy(), kept.cpu().numpy() > 0
