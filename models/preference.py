"""Fine preference: which tokens of the history matter, fused over both modalities.

Source: Uni-AdGen, section 3.3 (token-level selection and dual-modality fusion).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adloom.models.batch_share import noise_like
from adloom.models.config import AdGeneratorConfig

SCORE_TEMPERATURE = 0.1
"""Cosines lie close together; this spreads them before noise and softmax."""


def transformer(width: int, heads: int, layers: int) -> nn.TransformerEncoder:
    """A pre-norm bidirectional encoder over ``(batch, tokens, width)``."""
    layer = nn.TransformerEncoderLayer(
        width, heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def _start_as_identity(encoder: nn.TransformerEncoder) -> None:
    """Start every residual branch at zero.

    The language model then meets the history's tokens in its own embedding space, where it
    soon learns to read them, and the branches grow from there.
    """
    for layer in encoder.layers:
        for last in (layer.self_attn.out_proj, layer.linear2):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)


def attendable(valid: Tensor) -> Tensor:
    """``valid`` with the first token of empty rows let in, so that no softmax is empty."""
    first = torch.zeros_like(valid)
    first[:, 0] = ~valid.any(1)
    return valid | first


def encoded(encoder: nn.Module, tokens: Tensor, valid: Tensor) -> Tensor:
    """``tokens`` ``(batch, tokens, width)`` in context, computed in the encoder's dtype."""
    own = next((weight.dtype for weight in encoder.parameters()), tokens.dtype)
    context: Tensor = encoder(tokens.to(own), src_key_padding_mask=~attendable(valid))
    return context.to(tokens.dtype)


@dataclass(frozen=True)
class Selection:
    """Tokens that passed the selection, in their original order.

    ``tokens`` float ``(batch, kept, width)``; ``valid`` bool ``(batch, kept)``, false on
    padding; ``index`` int64 ``(batch, kept)``, positions in the input; ``scores`` float
    ``(batch, tokens)``, cosine of every input token (0 on padding).
    """

    tokens: Tensor
    valid: Tensor
    index: Tensor
    scores: Tensor


class TokenSelector(nn.Module):
    """Scores each history token by how well its context agrees with it, keeps the best.

    A token's score is the cosine similarity between it and its output from a small
    encoder over the whole history. In training Gumbel noise explores and a straight-through
    estimator carries the gradient: the value of a kept token stays, its gradient is that of a
    sigmoid gate around the score of the last token kept. (A softmax over all tokens, which
    would do as well on paper, gives each of hundreds of tokens next to no gradient.) At
    inference the top share is kept.
    """

    def __init__(self, width: int, config: AdGeneratorConfig) -> None:
        super().__init__()
        self.keep = config.keep
        self.encoder = transformer(width, config.conditioning_heads, config.selector_layers)

    def forward(self, tokens: Tensor, valid: Tensor, keep: float | None = None) -> Selection:
        """Select from ``(batch, tokens, width)`` where ``valid`` ``(batch, tokens)`` is true.

        ``keep`` is the share to keep; ``None`` is the configured one, 1 passes every token on.
        """
        keep = self.keep if keep is None else keep
        context = encoded(self.encoder, tokens, valid)
        scores = F.cosine_similarity(context, tokens, dim=-1)
        logits = (scores / SCORE_TEMPERATURE).masked_fill(~valid, -torch.inf)
        if self.training:
            logits = logits - noise_like(logits, Tensor.exponential_).clamp_min(1e-9).log()
        slots = max(1, math.ceil(keep * tokens.shape[1]))
        wanted = (keep * valid.sum(1, keepdim=True)).ceil()
        ranked = logits.topk(slots, dim=1).indices
        chosen = torch.arange(slots, device=tokens.device) < wanted
        # Padding sorts last so that kept tokens stay in reading order.
        order = ranked.masked_fill(~chosen, tokens.shape[1]).argsort(dim=1)
        index, kept_valid = ranked.gather(1, order), chosen.gather(1, order)
        kept = tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
        if self.training:
            passed = logits.gather(1, index)
            bar = passed.masked_fill(~kept_valid, torch.inf).min(1, keepdim=True).values.detach()
            gate = torch.where(kept_valid, passed - bar, 0.0).sigmoid()
            kept = kept * (1 + gate - gate.detach()).unsqueeze(-1)
        kept = kept * kept_valid.unsqueeze(-1)
        return Selection(kept, kept_valid, index, scores.masked_fill(~valid, 0.0))


@dataclass(frozen=True)
class Preference:
    """What the prompt gets of a shopper's history.

    ``pictures`` ``(batch, p, width)`` and ``titles`` ``(batch, t, width)`` with their
    validity masks; ``picture_selection`` and ``title_selection`` tell what was kept.
    """

    pictures: Tensor
    titles: Tensor
    picture_selection: Selection
    title_selection: Selection


class PreferenceEncoder(nn.Module):
    """Selects in each modality, then fuses both in one encoder.

    Position embeddings are added before the selection, not after it as in the paper: what says most
    of a taste comes first (:mod:`adloom.models.agreement`), so that its position says what a token
    is worth.
    """

    def __init__(self, width: int, config: AdGeneratorConfig) -> None:
        super().__init__()
        self.picture_selector = TokenSelector(width, config)
        self.title_selector = TokenSelector(width, config)
        self.fusion = transformer(width, config.conditioning_heads, config.fusion_layers)
        _start_as_identity(self.fusion)
        picture_slots = config.history_items * config.history_picture_tokens
        title_slots = config.history_items * config.history_title_tokens
        self.picture_position = nn.Embedding(picture_slots, width)
        self.title_position = nn.Embedding(title_slots, width)
        self.modality = nn.Embedding(2, width)
        for embedding in (self.picture_position, self.title_position, self.modality):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(
        self,
        pictures: Tensor,
        picture_valid: Tensor,
        titles: Tensor,
        title_valid: Tensor,
        keep: float | None = None,
    ) -> Preference:
        """Fuse a history.

        Args:
            pictures: ``(batch, items * picture tokens, width)``.
            picture_valid: bool, same without width.
            titles: ``(batch, items * title tokens, width)``.
            title_valid: bool, same without width.
            keep: share of the tokens of each modality that passes; ``None``: as configured.
        """
        pictures = pictures + self.picture_position.weight[: pictures.shape[1]]
        titles = titles + self.title_position.weight[: titles.shape[1]]
        seen = self.picture_selector(pictures, picture_valid, keep)
        read = self.title_selector(titles, title_valid, keep)
        tokens = torch.cat(
            [seen.tokens + self.modality.weight[0], read.tokens + self.modality.weight[1]], dim=1
        )
        valid = torch.cat([seen.valid, read.valid], dim=1)
        fused = encoded(self.fusion, tokens, valid)
        split = seen.tokens.shape[1]
        return Preference(fused[:, :split], fused[:, split:], seen, read)
