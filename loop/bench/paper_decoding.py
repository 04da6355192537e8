"""The baseline of `adloom bench generate`: decoding as the paper's code does it.

As in Janus' published generation loop: one Hugging Face forward a token with a cache that grows,
the conditional and the unconditional row of an ad interleaved, `softmax` and `multinomial`; the
title first, with conditional rows alone. A batch is padded, and waits for its longest title.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from adloom.models.batching import batch_briefs
from adloom.models.brief import AdBrief
from adloom.models.engine.truncation import truncate
from adloom.models.generator import AdModel
from adloom.models.masks import causal_mask, count_positions
from adloom.models.sampling import Sampling


class PaperDecoder:
    """Draws ads of a padded batch with a model whose adapter, if any, is merged."""

    def __init__(self, model: AdModel, how: Sampling) -> None:
        self.model = model
        self._how = how

    @torch.inference_mode()
    def draw(self, briefs: Sequence[AdBrief]) -> tuple[Tensor, Tensor]:
        """Title ids `(n, title tokens so far)` and image codes int64 `(n, image tokens)`."""
        model = self.model
        batch = batch_briefs(briefs, model.tokenizer, model.config).to(model.device)
        prompt, valid = model.prompt(batch)
        titles = self.titles(prompt, valid)
        foreground = self._how.foreground_strength * model.perceive(batch.cutouts)
        return titles, self._pictures(prompt, valid, titles, foreground)

    @torch.inference_mode()
    def titles(self, prompt: Tensor, valid: Tensor) -> Tensor:
        """Title ids `(n, title tokens so far)` after prompts `(n, tokens, width)`."""
        model, how, cache = self.model, self._how, DynamicCache()
        pad, eos = model.tokenizer.pad_token_id, model.tokenizer.eos_token_id
        running = torch.ones(len(prompt), dtype=torch.bool, device=prompt.device)
        positions = count_positions(valid)
        states = model.backbone(prompt, causal_mask(valid), positions, cache=cache)
        written: list[Tensor] = []
        while True:
            logits = model.janus.lm_head(states[:, -1])
            logits[:, [pad, model.boi_id, model.eoi_id]] = -torch.inf
            truncate(logits, how.title_temperature, how.title_top_k, how.title_top_p)
            drawn = torch.multinomial((logits / how.title_temperature).softmax(-1), 1)[:, 0]
            if len(written) == model.config.title_tokens - 1:
                drawn = torch.full_like(drawn, eos)
            written.append(drawn.where(running, pad))
            valid = torch.cat([valid, running[:, None]], dim=1)
            running = running & (drawn != eos)
            if not running.any():
                return torch.stack(written, dim=1)
            states = self._next(model.embed_text(written[-1]), valid, cache)

    def _pictures(
        self, prompt: Tensor, valid: Tensor, titles: Tensor, foreground: Tensor
    ) -> Tensor:
        model, how, cache = self.model, self._how, DynamicCache()
        rows = len(prompt)
        boi = torch.full((rows, 1), model.boi_id, device=prompt.device)
        embeds = torch.cat([prompt, model.embed_text(torch.cat([titles, boi], dim=1))], dim=1)
        written = titles != model.tokenizer.pad_token_id
        valid = torch.cat([valid, written, torch.ones_like(boi, dtype=torch.bool)], dim=1)
        blank = torch.zeros_like(valid)
        blank[:, 0] = blank[:, -1] = True
        # Conditional rows at even places, their unconditional twins at odd ones.
        valid = torch.stack([valid, blank], dim=1).flatten(0, 1)
        foreground = foreground.repeat_interleave(2, dim=1)
        states = model.backbone(
            embeds.repeat_interleave(2, dim=0),
            causal_mask(valid),
            count_positions(valid),
            foreground=foreground[:, :, :1],
            cache=cache,
        )
        codes: list[Tensor] = []
        for index in range(model.config.image_tokens):
            logits = model.janus.model.generation_head(states[:, -1])
            wanted, plain = logits[0::2], logits[1::2]
            guided = plain + how.guidance * (wanted - plain)
            truncate(guided, how.temperature, how.top_k, how.top_p)
            probabilities = (guided / how.temperature).softmax(-1)
            codes.append(torch.multinomial(probabilities, 1)[:, 0])
            if index + 1 < model.config.image_tokens:
                valid = torch.cat([valid, torch.ones_like(valid[:, :1])], dim=1)
                fed = model.embed_codes(codes[-1]).repeat_interleave(2, dim=0)
                states = self._next(fed, valid, cache, foreground[:, :, index + 1 : index + 2])
        return torch.stack(codes, dim=1)

    def _next(
        self, embeds: Tensor, valid: Tensor, cache: DynamicCache, foreground: Tensor | None = None
    ) -> Tensor:
        """Feed one token a row, `(rows, width)`."""
        mask = valid.clone()
        mask[:, -1] = True  # a row that has ended looks at something all the same
        return self.model.backbone(
            embeds[:, None],
            mask[:, None, None],
            count_positions(valid)[:, -1:],
            foreground=foreground,
            cache=cache,
        )
