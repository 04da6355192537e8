"""Rows that draw their pictures."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor

from adloom.models.engine.cache import RowCache
from adloom.models.engine.decoder import Fed
from adloom.models.engine.guesses import WIDEST, fed_next, settled, tokens_each
from adloom.models.engine.job import Row
from adloom.models.engine.lora import Adapter
from adloom.models.engine.noise import noise_of_rows
from adloom.models.engine.steps import STEP_TOKENS, Read, Steps
from adloom.models.engine.truncation import truncate
from adloom.models.engine.weights import Weights
from adloom.models.generator import AdModel

_STAGE = 1


class Pictures:
    """Rows that draw, each with its unconditional twin in a cache of its own, where the base has
    not learnt to be guided without.

    A twin sees ``<bos>``, ``<boi>`` and the image tokens: its cache is short, and ``<bos>`` is
    the same for all rows of an adapter. A step draws as many tokens of a row as were guessed
    right (:mod:`adloom.models.engine.guesses`), and one at least. Which these are is worked out on
    the device, so that a GPU goes on while the host reads how far its rows are.
    """

    def __init__(
        self, model: AdModel, weights: Weights, steps: Steps, rows: int, prompt_tokens: int
    ) -> None:
        device, config = model.device, model.config
        self._weights, self._steps = weights, steps
        self._first: int = model.boi_id
        self._image_tokens = config.image_tokens
        length = prompt_tokens + config.title_tokens
        # What is guessed beyond the last token is stored too.
        room = config.image_tokens + WIDEST
        self._room = 1 + room  # and what each row is fed first
        self.copies = 1 if config.guidance == "learnt" else 2
        self.caches = [
            RowCache(weights.shape, rows, tokens, device, weights.dtype, fixed=steps.fixed)
            for tokens in (length + self._room, 1 + self._room)[: self.copies]
        ]
        self._noise = noise_of_rows(steps, rows, config.image_tokens, weights.codes, device, WIDEST)
        mlps = model.conditioning.foreground.mlps
        size = mlps, rows, config.image_tokens, weights.shape.width
        self._foreground = torch.zeros(size, dtype=weights.dtype, device=device)
        self._guidance = torch.zeros(rows, 1, 1, device=device)
        # What is fed next, the codes so far and how many; a row that runs not stands still.
        self._fed = torch.zeros(rows, WIDEST, dtype=torch.long, device=device)
        self._codes = torch.zeros(rows, room, dtype=torch.long, device=device)
        self._counts = torch.zeros(rows, dtype=torch.long, device=device)
        self._runs = torch.zeros(rows, dtype=torch.long, device=device)
        self._next = torch.arange(WIDEST, device=device)
        self._starts = torch.arange(rows, device=device)[:, None] * config.image_tokens
        tokens = max(n * self.tokens_each(n) for n in range(1, rows + 1)) * (self.copies - 1)
        self._guided = torch.zeros(tokens, weights.codes, device=device)
        self._unread: list[tuple[list[Row], Read]] = []
        self.rows: list[Row] = []

    def tokens_each(self, rows: int) -> int:
        """How many tokens each of so many rows is fed."""
        if not self._steps.fixed:
            return tokens_each(self.copies * rows, self._image_tokens)
        return max(1, min(self._image_tokens, WIDEST, STEP_TOKENS // (self.copies * rows)))

    def adapters(self, rows: int) -> list[Adapter]:
        """Of each token that the rows and their twins are fed."""
        own = [row.job.wanted.adapter for row in self.rows]
        own += own[:1] * (rows - len(own))
        return [adapter for adapter in own for _ in range(self.tokens_each(rows))] * self.copies

    def prepare(self) -> None:
        """Nothing: what the rows are fed lies on the device."""

    def feed(self, rows: int) -> Fed:
        """The next step of the first rows."""
        each = self.tokens_each(rows)
        fed = self._fed[:rows, :each].flatten()
        caches = [(cache, rows, each) for cache in self.caches]
        foregrounds = self._foregrounds(rows, each)
        return Fed(torch.cat([fed] * self.copies), caches, foregrounds, self.copies)

    def logits(self, states: Tensor, rows: int) -> Tensor:
        """Guided, float32 ``(rows, each, codes)``, of states ``(copies * rows * each, width)``.

        States after these are of nobody.
        """
        each = self.tokens_each(rows)
        every = self._weights.image_logits(states)[: self.copies * rows * each]
        if self.copies == 1:
            return every.view(rows, each, -1)
        wanted, plain = every.view(2, rows, each, -1)
        guided = self._guided[: plain[..., 0].numel()].view_as(plain)
        return torch.lerp(plain, wanted, self._guidance[:rows], out=guided)

    def add(self, row: Row, prefix: Tensor) -> None:
        """Start a row after its title."""
        at, how = len(self.rows), row.job.wanted.sampling
        for cache, read in zip(self.caches, (prefix, row.shared.blank), strict=False):
            assert read is not None
            cache.put(at, read, self._room)
        self._noise.start(at, row.seed, _STAGE, how.temperature)
        self._foreground[:, at] = row.shared.foreground
        self._guidance[at] = how.guidance
        # Nothing is known of the first codes.
        self._fed[at] = self._weights.text_tokens
        self._fed[at, 0] = self._first
        self._counts[at] = 0
        self._runs[at] = 1
        self.rows.append(row)

    def remove(self, at: int) -> bool:
        """Take a row out; the last one takes its place. False: its numbers were not finite."""
        last = self.rows.pop()
        source = len(self.rows)
        finite = [cache.remove(at, source) for cache in self.caches]
        if at < source:
            self.rows[at] = last
            self._noise.move(source, at)
            self._foreground[:, at] = self._foreground[:, source]
            for state in (self._guidance, self._fed, self._codes, self._counts):
                state[at] = state[source]
        self._runs[source] = 0
        if not self.rows:
            self._unread.clear()
        return all(finite)

    def _foregrounds(self, rows: int, each: int) -> Tensor:
        """Features of the image tokens drawn next, ``(mlps, rows * each, width)``."""
        places = self._ahead(rows, each).clamp_max_(self._image_tokens - 1)
        places += self._starts[:rows]
        return self._foreground.flatten(1, 2).index_select(1, places.flatten())

    def _ahead(self, rows: int, each: int) -> Tensor:
        """Numbers of the codes drawn next, ``(rows, each)``."""
        return self._counts[:rows, None] + self._next[:each]

    def draw(self, guided: Tensor, key: Hashable) -> None:
        """Draw codes from :meth:`logits`; ``key`` names what their shapes hang on."""
        for part, row in zip(guided, self.rows, strict=False):
            how = row.job.wanted.sampling
            truncate(part, how.temperature, how.top_k, how.top_p)
        counts = self._steps.run((key, "settle"), lambda: self._settle(guided))
        self._unread.append((list(self.rows), self._steps.later(counts)))

    def ended(self) -> list[int]:
        """The rows that are complete; on a GPU those that were so a step ago."""
        if len(self._unread) <= self._steps.behind:
            return []
        rows, read = self._unread.pop(0)
        complete = {
            id(row) for row, count in zip(rows, read(), strict=False) if count == self._image_tokens
        }
        return [at for at, row in enumerate(self.rows) if id(row) in complete]

    def drawn(self, at: int) -> Tensor:
        """Codes of a complete row, int64 ``(image tokens,)`` on the CPU."""
        return self._codes[at, : self._image_tokens].clone().cpu()

    def _settle(self, guided: Tensor) -> Tensor:
        """Draw, and keep what was drawn after right guesses; returns how many codes rows have."""
        rows, each = guided.shape[:2]
        drawn = (guided + self._noise.ahead(rows, each)).argmax(-1)
        self._codes[:rows].scatter_(1, self._ahead(rows, each), drawn)
        tokens = self._weights.text_tokens + drawn
        count = settled(self._fed[:rows, :each], tokens)
        self._fed[:rows] = fed_next(tokens, count)
        kept = count.minimum(self._image_tokens - self._counts[:rows]) * self._runs[:rows]
        self._counts[:rows] += kept
        for part in (*self.caches, self._noise):
            part.advance(kept)
        return self._counts[:rows]
