"""The two stages of a running batch: rows that write their titles, rows that draw pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from models.engine.cache import RowCache
from models.engine.guesses import WIDEST, Guesses
from models.engine.guesses import width as guesses_wide
from models.engine.job import Row, forbidden_in_titles
from models.engine.noise import GumbelNoise
from models.engine.weights import Weights
from models.generator import AdModel

TITLE_STAGE, PICTURE_STAGE = 0, 1


class Titles:
    """Rows that write. They need no unconditional twins."""

    def __init__(self, model: AdModel, weights: Weights, rows: int, prompt_tokens: int) -> None:
        device, config = model.device, model.config
        self._weights = weights
        self._width = config.title_tokens
        self._eos: int = model.tokenizer.eos_token_id
        self._first: int = model.eoi_id
        self._forbidden = forbidden_in_titles(model)
        length = prompt_tokens + config.title_tokens
        self.cache = RowCache(weights.shape, rows, length, device, weights.dtype)
        # The step that feeds eos draws once more.
        self._noise = GumbelNoise(rows, config.title_tokens + 1, len(self._forbidden), device)
        self._tokens = torch.zeros(rows, dtype=torch.long, device=device)
        self.rows: list[Row] = []

    @property
    def tokens(self) -> Tensor:
        """What each row is fed next."""
        return self._tokens[: len(self.rows)]

    def add(self, row: Row) -> None:
        """Start a row after its prompt, whose last token is fed first."""
        at, how = len(self.rows), row.job.wanted.sampling
        self.cache.put(at, row.shared.prefix)
        self._noise.start(at, row.seed, TITLE_STAGE, how.title_temperature)
        self._tokens[at] = self._first
        self.rows.append(row)

    def remove(self, at: int) -> None:
        """Take a row out; the last one takes its place."""
        last = self.rows.pop()
        if at < len(self.rows):
            self.rows[at] = last
            self.cache.move(len(self.rows), at)
            self._noise.move(len(self.rows), at)
            self._tokens[at] = self._tokens[len(self.rows)]
        if not self.rows:
            self.cache.clear()

    def draw(self, states: Tensor) -> list[int]:
        """Draw a token a row; returns the rows whose title was complete before."""
        ended = [at for at, row in enumerate(self.rows) if row.title[-1:] == [self._eos]]
        one_each = [1] * len(self.rows)
        noise = self._noise.ahead(len(self.rows), 1)[:, 0]
        logits = self._weights.text_head(states).float() + noise
        self._noise.advance(one_each)
        self.cache.advance(one_each)
        drawn = (logits + self._masks()).argmax(-1)
        for at, (row, token) in enumerate(zip(self.rows, drawn.tolist(), strict=True)):
            if len(row.title) == self._width - 1:
                token = drawn[at] = self._eos
            row.title.append(token)
        self._tokens[: len(self.rows)] = drawn
        return ended

    def _masks(self) -> Tensor:
        """Float ``(rows or 1, vocabulary)`` to be added to the logits."""
        constraints = [row.shared.constraint for row in self.rows]
        if not any(constraints):
            return self._forbidden
        masks = torch.zeros(len(self.rows), len(self._forbidden), dtype=torch.bool)
        for at, (row, constraint) in enumerate(zip(self.rows, constraints, strict=True)):
            if constraint is None or row.title[-1:] == [self._eos]:
                continue
            allowed = constraint.allowed(0, row.title)
            masks[at, : len(allowed)] = ~allowed
            if not allowed.any():
                row.job.fail(ValueError(f"no word of the product may follow in {row.title}"))
        masks = masks.to(self._forbidden.device)
        return self._forbidden.expand(len(masks), -1).masked_fill(masks, -torch.inf)


class Pictures:
    """Rows that draw, each with its unconditional twin in a cache of its own.

    A twin sees ``<bos>``, ``<boi>`` and the image tokens: its cache is short, and ``<bos>`` is
    the same for all rows of an adapter. A step draws as many tokens of a row as were guessed
    right (:mod:`models.engine.guesses`), and one at least.
    """

    def __init__(self, model: AdModel, weights: Weights, rows: int, prompt_tokens: int) -> None:
        device, config = model.device, model.config
        self._weights = weights
        self._first: int = model.boi_id
        self._image_tokens = config.image_tokens
        dtype, length = weights.dtype, prompt_tokens + config.title_tokens
        # What is guessed beyond the last token is stored too.
        drawn = config.image_tokens + WIDEST
        self.cache = RowCache(weights.shape, rows, length + 1 + drawn, device, dtype)
        self.blank = RowCache(weights.shape, rows, 2 + drawn, device, dtype)
        self._noise = GumbelNoise(rows, config.image_tokens, weights.codes, device, WIDEST)
        self._guesses = Guesses(rows, device)
        self._codes = torch.zeros(rows, drawn, dtype=torch.long, device=device)
        self._foreground = torch.zeros(
            rows, config.image_tokens, weights.shape.width, device=device
        )
        self._guidance = torch.zeros(rows, 1, device=device)
        self._offsets = torch.arange(rows, device=device)[:, None] * config.image_tokens
        self._steps = torch.arange(WIDEST, device=device)
        self._drawn = torch.zeros(rows, dtype=torch.long, device=device)
        self._known = [0] * rows
        self.rows: list[Row] = []

    @property
    def width(self) -> int:
        """How many tokens each row is fed next."""
        return guesses_wide(len(self.rows), self._image_tokens)

    @property
    def tokens(self) -> Tensor:
        """What the rows are fed next, ``(rows * width,)``."""
        return self._guesses.fed(len(self.rows), self.width).flatten()

    def add(self, row: Row, prefix: Tensor) -> None:
        """Start a row after its title."""
        at, how = len(self.rows), row.job.wanted.sampling
        self.cache.put(at, prefix)
        self.blank.put(at, row.shared.blank)
        self._noise.start(at, row.seed, PICTURE_STAGE, how.temperature)
        self._guesses.start(at, self._first, guess=self._weights.text_tokens)
        self._foreground[at] = row.shared.foreground
        self._guidance[at] = how.guidance
        self._drawn[at] = self._known[at] = 0
        self.rows.append(row)

    def remove(self, at: int) -> Tensor:
        """Take a row out, the last one takes its place; returns the codes on the CPU."""
        codes = self._codes[at, : self._image_tokens].cpu().clone()
        last = self.rows.pop()
        source = len(self.rows)
        if at < source:
            self.rows[at] = last
            for part in (self.cache, self.blank, self._noise, self._guesses):
                part.move(source, at)
            for state in (self._codes, self._foreground, self._guidance, self._drawn):
                state[at] = state[source]
            self._known[at] = self._known[source]
        if not self.rows:
            self.cache.clear()
            self.blank.clear()
        return codes

    def foreground(self) -> Tensor:
        """Features ``(rows * width, model width)`` of the image tokens that are drawn next."""
        at = self._next().clamp_max_(self._image_tokens - 1) + self._offsets[: len(self.rows)]
        return self._foreground.flatten(0, 1).index_select(0, at.flatten())

    def draw(self, states: Tensor) -> list[int]:
        """Draw codes from states ``(2 * rows * width, model width)``.

        Returns the rows that are complete.
        """
        count, width = len(self.rows), self.width
        wanted, plain = self._weights.image_logits(states).view(2, count, width, -1)
        guided = torch.lerp(plain, wanted, self._guidance[:count, None])
        drawn = guided.add_(self._noise.ahead(count, width)).argmax(-1)
        self._codes[:count].scatter_(1, self._next(), drawn)
        settled = self._guesses.settle(drawn + self._weights.text_tokens)
        settled = settled.minimum(self._image_tokens - self._drawn[:count])
        self._drawn[:count] += settled
        counts: list[int] = settled.tolist()
        for part in (self.cache, self.blank, self._noise):
            part.advance(counts)
        for at, more in enumerate(counts):
            self._known[at] += more
        return [at for at in range(count) if self._known[at] == self._image_tokens]

    def _next(self) -> Tensor:
        """Which tokens of its picture each row draws next, ``(rows, width)``."""
        return self._drawn[: len(self.rows), None] + self._steps[: self.width]
