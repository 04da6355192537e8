"""Continuous batching: requests join and leave a running batch between steps."""

from __future__ import annotations

import math
import threading
from collections import deque
from concurrent.futures import Future
from functools import lru_cache
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from adloom.models.conditioning import Conditioning
from adloom.models.config import AdGeneratorConfig
from adloom.models.engine.decoder import Decoder
from adloom.models.engine.forward import Forward
from adloom.models.engine.guesses import WIDEST
from adloom.models.engine.history import fast_conditioning
from adloom.models.engine.job import Encoded, Job, Row, encode_brief
from adloom.models.engine.lora import Adapter, LoraBank
from adloom.models.engine.picture_decoder import PictureDecoder
from adloom.models.engine.pictures import Pictures
from adloom.models.engine.request import Drawn, Wanted
from adloom.models.engine.steps import STEP_TOKENS, Steps, steps_on
from adloom.models.engine.titles import Titles
from adloom.models.engine.weights import Weights, fingerprint
from adloom.models.generator import AdModel
from adloom.models.titles.constraint import TitleConstraint
from adloom.models.titles.fit import title_name
from adloom.models.titles.rules import TitleRules

MOST_ROWS = STEP_TOKENS // 2
"""Of an engine whose steps have a fixed shape: one token each, and one of their twins, if any."""


class Engine:
    """Decodes up to ``rows`` ads at once on a model's weights, or on a copy of them.

    The same request and seed give the same ad, whatever runs beside it. A row is fed several
    tokens a step; one in its picture may have an unconditional twin that gets the same. What goes
    wrong in one row fails its request alone. Whoever waits for a request calls :meth:`step` until
    it is answered; several threads may do so, and then share the batch.
    """

    def __init__(
        self,
        model: AdModel,
        *,
        rows: int,
        dtype: torch.dtype,
        steps: Steps | None = None,
        int8: bool = False,
    ) -> None:
        """``dtype`` is what the products compute in, keys and values too.

        Where weights of the model can be computed from they are not copied; see
        :class:`adloom.models.engine.weights.Weights`. ``steps`` are those that the device is fast
        at. Those of fixed shape have room for ``MOST_ROWS`` rows at most. ``int8`` as for
        :class:`adloom.models.engine.picture_decoder.PictureDecoder`.
        """
        self._model = model
        self.weights = Weights(model, dtype)
        steps = steps or steps_on(model.device)
        rows = min(rows, MOST_ROWS) if steps.fixed else rows
        prompt = longest_prompt(model.config)
        self._capacity = rows
        self._titles = Titles(model, self.weights, steps, rows, prompt)
        self._pictures = Pictures(model, self.weights, steps, rows, prompt)
        longest = prompt + model.config.title_tokens + 1 + model.config.image_tokens + WIDEST
        self._decoder = Decoder(model, self.weights, longest)
        self._bank = LoraBank(self.weights, steps)
        self._forward = Forward(self._decoder, self._bank, steps, rows)
        self._picture_decoder = PictureDecoder(model, dtype, int8=int8)
        # Of each adapter: keys and values of <bos>, where a twin reads them, and its modules.
        self._known: WeakKeyDictionary[Adapter, tuple[Tensor | None, Conditioning]]
        self._known = WeakKeyDictionary()
        self._waiting: deque[Job] = deque()
        # What a constraint has worked out for a product serves the next request for it.
        self._constraint = lru_cache(256)(self._new_constraint)
        self._changed = False
        self._lock = threading.RLock()

    @property
    def up_to_date(self) -> bool:
        """False when the model's base weights were changed since this was made."""
        return self.weights.fingerprint == fingerprint(self._model)

    @property
    def running(self) -> int:
        """Ads that are under way."""
        return len(self._titles.rows) + len(self._pictures.rows)

    @property
    def drawing(self) -> int:
        """Ads that draw their pictures."""
        return len(self._pictures.rows)

    @property
    def tokens_each(self) -> int:
        """Tokens that each of them is fed in the next step."""
        return self._pictures.tokens_each(self.drawing)

    @property
    def int8(self) -> bool:
        """Whether pictures are decoded in 8 bits."""
        return self._picture_decoder.int8

    @property
    def copies(self) -> int:
        """Rows of an ad that draws: its own, and its twin's where it has one."""
        return self._pictures.copies

    @property
    def longest(self) -> int:
        """Tokens of the longest row that draws."""
        return int(self._pictures.caches[0].lengths[: self.drawing].max()) if self.drawing else 0

    @property
    def cache_bytes(self) -> int:
        """Most memory that keys and values may take."""
        return sum(cache.bytes for cache in (self._titles.cache, *self._pictures.caches))

    def submit(self, wanted: Wanted) -> Future[list[Drawn]]:
        """Let a request join the batch at the next step that has room.

        Its future has one drawn ad a seed, in their order.
        """
        job = Job(wanted)
        if not wanted.seeds:
            job.future.set_result([])
            return job.future
        with self._lock:
            self._waiting.append(job)
        return job.future

    @torch.inference_mode()
    def step(self) -> None:
        """Let waiting requests join, then draw the next tokens of every row."""
        with self._lock:
            self._drop_answered()
            self._admit()
            if not self.running:
                return
            try:
                self._advance()
            except Exception as error:  # the engine must outlive what it cannot pin on a row
                for row in (*self._titles.rows, *self._pictures.rows):
                    row.job.fail(error)
                self._drop_answered()

    def picture(self, drawn: Drawn) -> Tensor:
        """What was drawn, as pixels: float32 ``(1, 3, size, size)`` in about -1..1."""
        return self._picture_decoder(drawn.codes)

    def _admit(self) -> None:
        """Into an empty batch come all that fit; into a running one, one request a step.

        A prompt takes the time of several steps, for which the running rows stand still.
        """
        alone = not self.running
        while self._waiting and self.running < self._capacity:
            job = self._waiting[0]
            if job.encoded is None:
                if not job.future.set_running_or_notify_cancel():
                    self._waiting.popleft()
                    continue
                try:
                    job.encoded = self._encode(job.wanted)
                except Exception as error:
                    self._waiting.popleft()
                    job.fail(error)
                    continue
            while job.started < len(job.wanted.seeds) and self.running < self._capacity:
                self._titles.add(Row(job, job.started))
                job.started += 1
                self._changed = True
            if job.started == len(job.wanted.seeds):
                self._waiting.popleft()
            if not alone:
                return

    def _encode(self, wanted: Wanted) -> Encoded:
        adapter, brief = wanted.adapter, wanted.brief
        constraint = None
        if brief.titles is not None:
            constraint = self._constraint(
                brief.product_name, brief.short_name, brief.selling_words, brief.titles
            )
        if adapter not in self._known:
            adapter.check()
            blank = None
            if self._pictures.copies > 1:
                bos = self.weights.text[self._model.tokenizer.bos_token_id]
                blank = self._decoder.prefill(bos[None], self._bank.rows([adapter]))
            modules = fast_conditioning(adapter.conditioning, self.weights.dtype)
            self._known[adapter] = blank, modules
        blank, modules = self._known[adapter]
        prompt, foreground, phrases = encode_brief(
            self._model, wanted, modules, self.weights.embedded_codes
        )
        lora = self._bank.rows([adapter] * (len(prompt) - 1))
        prefix = self._decoder.prefill(prompt[:-1], lora)
        return Encoded(prefix, blank, foreground, phrases, constraint)

    def _new_constraint(
        self, name: str, short_name: str, phrases: tuple[str, ...], rules: TitleRules
    ) -> TitleConstraint:
        tokenizer, length = self._model.tokenizer, self._model.config.title_tokens
        wants, usable = self._model.config.title_wants, rules.phrases(phrases, "")
        said = title_name(tokenizer, wants, name, short_name, usable, length)
        return TitleConstraint(tokenizer, said, phrases, rules, length)

    def _advance(self) -> None:
        titles, pictures = self._titles, self._pictures
        for row in (*titles.rows, *pictures.rows):
            row.steps += 1
        stages = [stage for stage in (titles, pictures) if stage.rows]
        drawn_from = self._forward(stages, self._changed)
        self._changed = False
        for logits in drawn_from:
            logits.stage.draw(logits.values, logits.key)
        # From the end, so that what moves into a gap has been looked at.
        if pictures in stages:
            for at in reversed(pictures.ended()):
                self._complete(at)
        if titles in stages:
            for at in reversed(titles.ended()):
                self._begin_picture(at)

    def _begin_picture(self, at: int) -> None:
        row = self._titles.rows[at]
        title_only = row.job.wanted.title_only
        if not title_only:
            self._pictures.add(row, self._titles.written(at))
        finite = self._titles.remove(at)
        self._changed = True
        if title_only or not finite:
            self._answer(row, finite, torch.empty(0, dtype=torch.long))

    def _complete(self, at: int) -> None:
        row, codes = self._pictures.rows[at], self._pictures.drawn(at)
        finite = self._pictures.remove(at)
        self._changed = True
        self._answer(row, finite, codes)

    def _answer(self, row: Row, finite: bool, codes: Tensor) -> None:
        if not finite:  # its draws were no draws
            row.job.fail(FloatingPointError("what was drawn is not finite"))
            return
        row.job.finish(row.number, Drawn(tuple(row.title[:-1]), codes, row.cut, row.steps))

    def _drop_answered(self) -> None:
        """Take out the rows of requests that have failed."""
        for stage in (self._titles, self._pictures):
            for at in reversed(range(len(stage.rows))):
                if stage.rows[at].job.future.done():
                    stage.remove(at)
                    self._changed = True
        while self._waiting and self._waiting[0].future.done():
            self._waiting.popleft()


def longest_prompt(config: AdGeneratorConfig) -> int:
    """Tokens of the longest prompt: a full history of which every token is kept."""
    picture_and_title = config.history_picture_tokens + config.history_title_tokens
    kept = config.history_items * picture_and_title
    return 2 + config.prompt_tokens + math.ceil(kept)
