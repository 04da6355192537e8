"""Decoding: title tokens first, then image tokens with classifier-free guidance.

One batch holds the conditional rows and, below them, their unconditional twins, which see
only ``<bos>``, ``<boi>`` and the image tokens drawn so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from models.batching import BriefBatch
from models.generator import AdModel, causal_mask, count_positions
from models.kv_cache import KeyValueCache


@dataclass(frozen=True)
class Sampling:
    """Weights of the draw; see :class:`models.settings.GeneratorSettings`.

    ``keep`` is the share of history tokens that passes the fine stage: ``None`` is the model's
    own, 1 is the ablation without that stage. With ``style_words`` a title may use these words
    and those of its product alone (:mod:`models.title_constraint`); ``None`` sets no limit.
    """

    guidance: float = 3.0
    temperature: float = 0.9
    title_temperature: float = 0.6
    foreground_strength: float = 1.5
    keep: float | None = None
    style_words: tuple[str, ...] | None = None


class _Decoder:
    """A running batch: its cache, which keys are valid, and where each row stands."""

    def __init__(self, model: AdModel, prompt: Tensor, valid: Tensor, length: int) -> None:
        self.model = model
        rows = len(prompt)
        self.valid = torch.zeros(rows, length, dtype=torch.bool, device=prompt.device)
        self.valid[:, : valid.shape[1]] = valid
        llama = model.janus.model.language_model
        self.cache = KeyValueCache(llama.config, rows, length, prompt)
        self.cache.reserve(prompt.shape[1])
        self.positions = valid.sum(1)
        self.states = model.backbone(
            prompt, causal_mask(valid), count_positions(valid), cache=self.cache
        )[:, -1]

    def step(self, embeds: Tensor, valid: Tensor, foreground: Tensor | None = None) -> None:
        """Feed one token a row, ``(rows, width)``; rows where ``valid`` is false stand still."""
        self.cache.reserve(1)
        end = self.cache.end
        self.valid[:, end - 1] = valid
        mask = self.valid[:, :end].clone()
        mask[:, -1] = True
        self.states = self.model.backbone(
            embeds.unsqueeze(1),
            mask[:, None, None, :],
            self.positions.unsqueeze(1),
            foreground=None if foreground is None else foreground.unsqueeze(1),
            cache=self.cache,
        )[:, -1]
        self.positions = self.positions + valid


def draw(logits: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Sample one token a row, each row from its own generator: int64 ``(rows,)``.

    A row's draw depends on its seed alone, never on the batch around it. Random numbers
    come from the CPU so that a seed gives the same noise on every device.
    """
    noise = torch.stack(
        [torch.empty(logits.shape[-1]).exponential_(generator=g) for g in generators]
    )
    probabilities = logits.float().softmax(-1)
    return (probabilities / noise.to(logits.device)).argmax(-1)


@torch.inference_mode()
def sample(
    model: AdModel,
    batch: BriefBatch,
    seeds: Sequence[int],
    how: Sampling,
    constraint: LogitsProcessor | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw an ad a row; seeds are not negative. ``constraint`` works on the titles' logits.

    Returns:
        Title ids int64 ``(n, title tokens)``, padded after eos, and image codes int64
        ``(n, image tokens)``.
    """
    rows, config = len(batch.prompt), model.config
    prompt, valid = model.prompt(batch, how.keep)
    blank = torch.zeros_like(valid)
    blank[:, 0] = True
    length = prompt.shape[1] + config.title_tokens + config.image_tokens
    decoder = _Decoder(model, torch.cat([prompt, prompt]), torch.cat([valid, blank]), length)
    titles = _draw_titles(model, decoder, rows, _generators(seeds, 0), how, constraint)
    codes = _draw_pictures(model, decoder, batch, _generators(seeds, 1), how)
    return titles, codes


def _generators(seeds: Sequence[int], stage: int) -> list[torch.Generator]:
    """One generator a row and stage.

    The stages share none: how often a title is drawn from depends on the longest title in
    the batch, and the picture must not.
    """
    keys = [np.random.SeedSequence([seed, stage]).generate_state(1, np.uint64) for seed in seeds]
    return [torch.Generator().manual_seed(int(key[0])) for key in keys]


def _draw_titles(
    model: AdModel,
    decoder: _Decoder,
    rows: int,
    generators: Sequence[torch.Generator],
    how: Sampling,
    constraint: LogitsProcessor | None,
) -> Tensor:
    pad, eos = model.tokenizer.pad_token_id, model.tokenizer.eos_token_id
    forbidden = [i for i in model.tokenizer.all_special_ids if i != eos]
    forbidden += [model.boi_id, model.eoi_id, model.janus.config.image_token_id]
    # A checkpoint may have more rows than its tokenizer has tokens.
    forbidden += range(len(model.tokenizer), model.janus.lm_head.out_features)
    width = model.config.title_tokens
    titles = torch.full((rows, width), pad, device=model.device)
    running = torch.ones(rows, dtype=torch.bool, device=model.device)
    for column in range(width):
        logits = model.janus.lm_head(decoder.states[:rows]) / how.title_temperature
        logits[:, forbidden] = -torch.inf
        if constraint is not None:
            logits = constraint(titles[:, :column], logits)
        drawn = draw(logits, generators)
        if column == width - 1:
            drawn = torch.full_like(drawn, eos)
        titles[:, column] = torch.where(running, drawn, pad)
        decoder.step(
            model.embed_text(titles[:, column]).repeat(2, 1),
            torch.cat([running, torch.zeros_like(running)]),
        )
        running = running & (drawn != eos)
        if not running.any():
            break
    return titles


def _draw_pictures(
    model: AdModel,
    decoder: _Decoder,
    batch: BriefBatch,
    generators: Sequence[torch.Generator],
    how: Sampling,
) -> Tensor:
    rows = len(batch.prompt)
    everyone = torch.ones(2 * rows, dtype=torch.bool, device=model.device)
    foreground = how.foreground_strength * model.perceive(batch.cutouts)
    foreground = foreground.repeat(2, 1, 1)
    embeds = model.embed_text(torch.full((2 * rows,), model.boi_id, device=model.device))
    codes: list[Tensor] = []
    for index in range(model.config.image_tokens):
        decoder.step(embeds, everyone, foreground[:, index])
        logits = model.janus.model.generation_head(decoder.states)
        wanted, plain = logits[:rows], logits[rows:]
        guided = plain + how.guidance * (wanted - plain)
        codes.append(draw(guided / how.temperature, generators))
        embeds = model.embed_codes(codes[-1]).repeat(2, 1)
    return torch.stack(codes, dim=1)
