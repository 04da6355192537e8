"""Rows that write their titles."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor

from adloom.models.engine.cache import RowCache
from adloom.models.engine.decoder import Fed
from adloom.models.engine.job import Row, forbidden_in_titles
from adloom.models.engine.lora import Adapter
from adloom.models.engine.noise import noise_of_rows
from adloom.models.engine.steps import STEP_TOKENS, Read, Steps
from adloom.models.engine.truncation import truncate
from adloom.models.engine.weights import Weights
from adloom.models.generator import AdModel
from adloom.models.titles.constraint import TitleConstraint

_STAGE = 0
TITLE_TOKENS_EACH = 4
"""Tokens of each title that are fed in a step, one and guesses; see models.engine.guesses."""


class Titles:
    """Rows that write. They need no unconditional twins.

    A step draws as many tokens of a row as were guessed right
    (:mod:`adloom.models.engine.phrases`), and one at least. What may follow a token is worked out
    on the host, which therefore reads every step's tokens before the next one.
    """

    def __init__(
        self, model: AdModel, weights: Weights, steps: Steps, rows: int, prompt_tokens: int
    ) -> None:
        device, config = model.device, model.config
        self._weights, self._steps = weights, steps
        self._title_tokens = config.title_tokens
        self._eos: int = model.tokenizer.eos_token_id
        self._first: int = model.eoi_id
        self._forbidden = forbidden_in_titles(model)
        vocabulary, most = len(self._forbidden), config.title_tokens + TITLE_TOKENS_EACH
        length, self._room = prompt_tokens + most, most
        self.cache = RowCache(weights.shape, rows, length, device, weights.dtype, fixed=steps.fixed)
        self._noise = noise_of_rows(steps, rows, most, vocabulary, device, TITLE_TOKENS_EACH)
        self._drawn: Read = list
        self._fed = torch.zeros(rows, TITLE_TOKENS_EACH, dtype=torch.long, device=device)
        self.rows: list[Row] = []

    def tokens_each(self, rows: int) -> int:
        """How many tokens each of so many rows is fed."""
        if not self._steps.fixed:
            return TITLE_TOKENS_EACH
        return max(1, min(TITLE_TOKENS_EACH, STEP_TOKENS // rows))

    def adapters(self, rows: int) -> list[Adapter]:
        """Of each token that the rows are fed."""
        own = [row.job.wanted.adapter for row in self.rows]
        own += own[:1] * (rows - len(own))
        return [adapter for adapter in own for _ in range(self.tokens_each(rows))]

    def prepare(self) -> None:
        """Bring to the device what the rows are fed next."""
        fed = torch.tensor([row.fed for row in self.rows], dtype=torch.long)
        self._fed[: len(fed)] = self._steps.onto(fed, self._fed.device)

    def feed(self, rows: int) -> Fed:
        """The next step of the first rows."""
        each = self.tokens_each(rows)
        return Fed(self._fed[:rows, :each].flatten(), [(self.cache, rows, each)])

    def logits(self, states: Tensor, rows: int) -> Tensor:
        """Float32 ``(rows, tokens each, vocabulary)`` of states ``(rows * tokens each, width)``.

        States after these are of nobody.
        """
        each = self.tokens_each(rows)
        return self._weights.text_head(states)[: rows * each].float().view(rows, each, -1)

    def add(self, row: Row) -> None:
        """Start a row after its prompt, whose last token is fed first."""
        at, how = len(self.rows), row.job.wanted.sampling
        self.cache.put(at, row.shared.prefix, self._room)
        self._noise.start(at, row.seed, _STAGE, how.title_temperature)
        self._guess(row)
        self.rows.append(row)

    def remove(self, at: int) -> bool:
        """Take a row out; the last one takes its place. False: its numbers were not finite."""
        last = self.rows.pop()
        source = len(self.rows)
        finite = self.cache.remove(at, source)
        if at < source:
            self.rows[at] = last
            self._noise.move(source, at)
        return finite

    def draw(self, logits: Tensor, key: Hashable) -> None:
        """Draw the next tokens from :meth:`logits`, of which the first rows are theirs."""
        rows, each = len(self.rows), logits.shape[1]
        logits = logits[:rows] + self._masks(each)
        for part, row in zip(logits, self.rows, strict=True):
            how = row.job.wanted.sampling
            truncate(part, how.title_temperature, how.title_top_k, how.title_top_p)
        drawn = (logits + self._noise.ahead(rows, each)).argmax(-1)
        self._drawn = self._steps.later(drawn)

    def ended(self) -> list[int]:
        """Take what was drawn; returns the rows that are complete, eos fed."""
        drawn = self._drawn()
        settled = [self._settle(row, tokens) for row, tokens in zip(self.rows, drawn, strict=True)]
        counts = self._steps.onto(torch.tensor(settled), self._fed.device)
        self._noise.advance(counts)
        self.cache.advance(counts)
        ended = []
        for at, (row, count) in enumerate(zip(self.rows, settled, strict=True)):
            if row.fed[count - 1] == self._eos:
                ended.append(at)
            else:
                self._guess(row)
        return ended

    def written(self, at: int) -> Tensor:
        """Keys and values of a complete row: its prompt, and the title with its eos."""
        row = self.rows[at]
        return self.cache.take(at, row.shared.prefix.shape[3] + 1 + len(row.title))

    def _guess(self, row: Row) -> None:
        so_far = [self._first, *row.title]
        row.fed = [so_far[-1], *row.shared.phrases.after(so_far, TITLE_TOKENS_EACH - 1)]

    def _settle(self, row: Row, drawn: list[int]) -> int:
        """Keep what was drawn after right guesses; returns how many of the fed tokens stay."""
        for count, (fed, token) in enumerate(zip(row.fed, drawn, strict=False), start=1):
            if fed == self._eos:
                break
            last = len(row.title) == self._title_tokens - 1
            row.cut = last and token != self._eos
            row.title.append(self._eos if last else token)
            if row.fed[count : count + 1] != row.title[-1:]:
                break
        return count

    def _masks(self, each: int) -> Tensor:
        """Float ``(rows or 1, each or 1, vocabulary)`` to be added to the logits."""
        if not any(row.shared.constraint for row in self.rows):
            return self._forbidden
        size = len(self.rows), each, len(self._forbidden)
        masks = torch.zeros(size, dtype=torch.bool)
        for row, mask in zip(self.rows, masks, strict=True):
            if row.shared.constraint is not None:
                self._constrain(row, row.shared.constraint, mask)
        masks = self._steps.onto(masks, self._forbidden.device)
        return self._forbidden.expand(size).masked_fill(masks, -torch.inf)

    def _constrain(self, row: Row, constraint: TitleConstraint, mask: Tensor) -> None:
        """Set in ``mask`` ``(fed tokens, vocabulary)`` what may not follow each of them."""
        for place in range(len(mask)):
            title = row.title + row.fed[1 : place + 1]
            if self._eos in title:
                return
            allowed = constraint.allowed(title)
            mask[place, : len(allowed)] = ~allowed
            if not allowed[row.fed[place + 1 : place + 2]].all():
                return  # a wrong guess, and no title goes on like that
