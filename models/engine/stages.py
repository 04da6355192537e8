"""The two stages of a running batch: rows that write their titles, rows that draw pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from adloom.models.engine.cache import RowCache
from adloom.models.engine.guesses import WIDEST, fed_next, settled, tokens_each
from adloom.models.engine.job import Row, forbidden_in_titles
from adloom.models.engine.noise import GumbelNoise
from adloom.models.engine.truncation import truncate
from adloom.models.engine.weights import Weights
from adloom.models.generator import AdModel
from adloom.models.titles.constraint import TitleConstraint

TITLE_STAGE, PICTURE_STAGE = 0, 1
TITLE_TOKENS_EACH = 4
"""Tokens of each title that are fed in a step, one and guesses; see models.engine.guesses."""


class Titles:
    """Rows that write. They need no unconditional twins.

    A step draws as many tokens of a row as were guessed right
    (:mod:`adloom.models.engine.phrases`), and one at least.
    """

    def __init__(self, model: AdModel, weights: Weights, rows: int, prompt_tokens: int) -> None:
        device, config = model.device, model.config
        self._weights = weights
        self._title_tokens = config.title_tokens
        self._eos: int = model.tokenizer.eos_token_id
        self._first: int = model.eoi_id
        self._forbidden = forbidden_in_titles(model)
        length = prompt_tokens + config.title_tokens + TITLE_TOKENS_EACH
        self.cache = RowCache(weights.shape, rows, length, device, weights.dtype)
        vocabulary, most = len(self._forbidden), config.title_tokens + TITLE_TOKENS_EACH
        self._noise = GumbelNoise(rows, most, vocabulary, device, TITLE_TOKENS_EACH)
        self.rows: list[Row] = []

    @property
    def tokens(self) -> Tensor:
        """What the rows are fed next, ``(rows * TITLE_TOKENS_EACH,)``."""
        fed = [token for row in self.rows for token in row.fed]
        return torch.tensor(fed, dtype=torch.long, device=self._forbidden.device)

    def add(self, row: Row) -> None:
        """Start a row after its prompt, whose last token is fed first."""
        at, how = len(self.rows), row.job.wanted.sampling
        self.cache.put(at, row.shared.prefix)
        self._noise.start(at, row.seed, TITLE_STAGE, how.title_temperature)
        self._guess(row)
        self.rows.append(row)

    def remove(self, at: int) -> bool:
        """Take a row out; the last one takes its place. False: its numbers were not finite."""
        finite = self.cache.scrub(at)
        last = self.rows.pop()
        if at < len(self.rows):
            self.rows[at] = last
            self.cache.move(len(self.rows), at)
            self._noise.move(len(self.rows), at)
        if not self.rows:
            self.cache.clear()
        return finite

    def draw(self, states: Tensor) -> list[int]:
        """Draw the next tokens from states ``(rows * TITLE_TOKENS_EACH, width)``.

        Returns the rows that are complete, eos fed.
        """
        rows = len(self.rows)
        logits = self._weights.text_head(states).float().view(rows, TITLE_TOKENS_EACH, -1)
        logits = logits + self._masks()
        for part, row in zip(logits, self.rows, strict=True):
            how = row.job.wanted.sampling
            truncate(part, how.title_temperature, how.title_top_k, how.title_top_p)
        drawn = (logits + self._noise.ahead(rows, TITLE_TOKENS_EACH)).argmax(-1).tolist()
        settled = [self._settle(row, tokens) for row, tokens in zip(self.rows, drawn, strict=True)]
        self._noise.advance(settled)
        self.cache.advance(settled)
        ended = []
        for at, (row, count) in enumerate(zip(self.rows, settled, strict=True)):
            if row.fed[count - 1] == self._eos:
                ended.append(at)
            else:
                self._guess(row)
        return ended

    def _guess(self, row: Row) -> None:
        so_far = [self._first, *row.title]
        row.fed = [so_far[-1], *row.shared.phrases.after(so_far, TITLE_TOKENS_EACH - 1)]

    def _settle(self, row: Row, drawn: list[int]) -> int:
        """Keep what was drawn after right guesses; returns how many of the fed tokens stay."""
        for count, (fed, token) in enumerate(zip(row.fed, drawn, strict=True), start=1):
            if fed == self._eos:
                break
            last = len(row.title) == self._title_tokens - 1
            row.cut = last and token != self._eos
            row.title.append(self._eos if last else token)
            if row.fed[count : count + 1] != row.title[-1:]:
                break
        return count

    def _masks(self) -> Tensor:
        """Float ``(rows or 1, TITLE_TOKENS_EACH or 1, vocabulary)`` to be added to the logits."""
        if not any(row.shared.constraint for row in self.rows):
            return self._forbidden
        size = len(self.rows), TITLE_TOKENS_EACH, len(self._forbidden)
        masks = torch.zeros(size, dtype=torch.bool)
        for row, mask in zip(self.rows, masks, strict=True):
            if row.shared.constraint is not None:
                self._constrain(row, row.shared.constraint, mask)
        masks = masks.to(self._forbidden.device)
        return self._forbidden.expand(size).masked_fill(masks, -torch.inf)

    def _constrain(self, row: Row, constraint: TitleConstraint, mask: Tensor) -> None:
        """Set in ``mask`` ``(fed tokens, vocabulary)`` what may not follow each of them."""
        for place in range(TITLE_TOKENS_EACH):
            title = row.title + row.fed[1 : place + 1]
            if self._eos in title:
                return
            allowed = constraint.allowed(title)
            mask[place, : len(allowed)] = ~allowed
            if not allowed[row.fed[place + 1 : place + 2]].all():
                return  # a wrong guess, and no title goes on like that


class Pictures:
    """Rows that draw, each with its unconditional twin in a cache of its own.

    A twin sees ``<bos>``, ``<boi>`` and the image tokens: its cache is short, and ``<bos>`` is
    the same for all rows of an adapter. A step draws as many tokens of a row as were guessed
    right (:mod:`adloom.models.engine.guesses`), and one at least.
    """

    def __init__(self, model: AdModel, weights: Weights, rows: int, prompt_tokens: int) -> None:
        device, config = model.device, model.config
        self._weights = weights
        self._first: int = model.boi_id
        self._image_tokens = config.image_tokens
        dtype, length = weights.dtype, prompt_tokens + config.title_tokens
        # What is guessed beyond the last token is stored too.
        room = config.image_tokens + WIDEST
        self.cache = RowCache(weights.shape, rows, length + 1 + room, device, dtype)
        self.blank = RowCache(weights.shape, rows, 2 + room, device, dtype)
        self._noise = GumbelNoise(rows, config.image_tokens, weights.codes, device, WIDEST)
        mlps = model.conditioning.foreground.mlps
        size = mlps, rows, config.image_tokens, weights.shape.width
        self._foreground = torch.zeros(size, dtype=weights.dtype, device=device)
        self._guidance = torch.zeros(rows, 1, device=device)
        self.rows: list[Row] = []

    @property
    def tokens_each(self) -> int:
        """How many tokens each row is fed next."""
        return tokens_each(len(self.rows), self._image_tokens)

    @property
    def tokens(self) -> Tensor:
        """What the rows are fed next, ``(rows * tokens each,)``."""
        each = self.tokens_each
        fed = [token for row in self.rows for token in row.fed[:each]]
        return torch.tensor(fed, device=self._guidance.device)

    def add(self, row: Row, prefix: Tensor) -> None:
        """Start a row after its title."""
        at, how = len(self.rows), row.job.wanted.sampling
        self.cache.put(at, prefix)
        self.blank.put(at, row.shared.blank)
        self._noise.start(at, row.seed, PICTURE_STAGE, how.temperature)
        self._foreground[:, at] = row.shared.foreground
        self._guidance[at] = how.guidance
        # Nothing is known of the first codes.
        row.fed = [self._first] + [self._weights.text_tokens] * (WIDEST - 1)
        self.rows.append(row)

    def remove(self, at: int) -> bool:
        """Take a row out; the last one takes its place. False: its numbers were not finite."""
        finite = self.cache.scrub(at) & self.blank.scrub(at)
        last = self.rows.pop()
        source = len(self.rows)
        if at < source:
            self.rows[at] = last
            for part in (self.cache, self.blank, self._noise):
                part.move(source, at)
            self._foreground[:, at] = self._foreground[:, source]
            self._guidance[at] = self._guidance[source]
        if not self.rows:
            self.cache.clear()
            self.blank.clear()
        return finite

    def foreground(self) -> Tensor:
        """Features of the image tokens drawn next, ``(mlps, rows * tokens each, width)``."""
        tokens, steps = self._image_tokens, range(self.tokens_each)
        at = [
            number * tokens + min(len(row.codes) + step, tokens - 1)
            for number, row in enumerate(self.rows)
            for step in steps
        ]
        places = torch.tensor(at, device=self._foreground.device)
        return self._foreground.flatten(1, 2).index_select(1, places)

    def draw(self, states: Tensor) -> list[int]:
        """Draw codes from states ``(2 * rows * tokens each, width)``.

        Returns the rows that are complete.
        """
        count, each = len(self.rows), self.tokens_each
        wanted, plain = self._weights.image_logits(states).view(2, count, each, -1)
        guided = torch.lerp(plain, wanted, self._guidance[:count, None])
        for part, row in zip(guided, self.rows, strict=True):
            how = row.job.wanted.sampling
            truncate(part, how.temperature, how.top_k, how.top_p)
        drawn = guided.add_(self._noise.ahead(count, each)).argmax(-1).tolist()
        kept = [self._settle(row, codes) for row, codes in zip(self.rows, drawn, strict=True)]
        for part in (self.cache, self.blank, self._noise):
            part.advance(kept)
        return [at for at, row in enumerate(self.rows) if len(row.codes) == self._image_tokens]

    def _settle(self, row: Row, codes: list[int]) -> int:
        """Keep what was drawn after right guesses; returns how many codes that are."""
        tokens = [self._weights.text_tokens + code for code in codes]
        count = settled(row.fed[: len(tokens)], tokens)
        row.fed = fed_next(tokens, count)
        count = min(count, self._image_tokens - len(row.codes))
        row.codes += codes[:count]
        return count
