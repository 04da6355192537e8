"""A request under way, and its rows."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

import torch
from torch import Tensor

from adloom.models.batching import BriefBatch, batch_briefs
from adloom.models.conditioning import Conditioning
from adloom.models.engine.phrases import Phrases
from adloom.models.engine.request import Drawn, Wanted
from adloom.models.generator import AdModel
from adloom.models.titles.constraint import TitleConstraint
from adloom.models.tokenizer import special_tokens


@dataclass(frozen=True)
class Encoded:
    """What the rows of a request share, encoded once.

    ``prefix`` keys and values of the prompt but for its last token, ``blank`` those of ``<bos>``
    where rows have twins; ``foreground`` ``(mlps, image tokens, width)``, scaled, and what guides;
    ``phrases`` guess titles.
    """

    prefix: Tensor
    blank: Tensor | None
    foreground: Tensor
    phrases: Phrases
    constraint: TitleConstraint | None


@dataclass(eq=False)
class Job:
    """A request; ``started`` of its rows have run or run, ``drawn`` has those that are done."""

    wanted: Wanted
    future: Future[list[Drawn]] = field(default_factory=Future)
    encoded: Encoded | None = None
    started: int = 0
    drawn: dict[int, Drawn] = field(default_factory=dict)

    def finish(self, number: int, drawn: Drawn) -> None:
        """Note one ad; the last one answers the request."""
        self.drawn[number] = drawn
        if len(self.drawn) == len(self.wanted.seeds):
            self.future.set_result([self.drawn[n] for n in range(len(self.drawn))])

    def fail(self, error: Exception) -> None:
        """Answer with ``error``, once."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(eq=False)
class Row:
    """One ad under way: its number in its request, and the title so far, eos included.

    ``fed`` is what the decoder gets next of the title: its last token and guesses. ``cut``
    is true once the title was ended for want of room. ``steps`` were taken so far.
    """

    job: Job
    number: int
    title: list[int] = field(default_factory=list)
    fed: list[int] = field(default_factory=list)
    cut: bool = False
    steps: int = 0

    @property
    def seed(self) -> int:
        """What its draws hang on."""
        return self.job.wanted.seeds[self.number]

    @property
    def shared(self) -> Encoded:
        """What it shares with the other rows of its request."""
        assert self.job.encoded is not None
        return self.job.encoded


def encode_brief(
    model: AdModel, wanted: Wanted, conditioning: Conditioning, embedded: Tensor
) -> tuple[Tensor, Tensor, Phrases]:
    """Embeddings ``(tokens, width)`` of the prompt without padding, the scaled foreground with
    what guides in it, and what is known of the title.

    A request is encoded by itself: what is around it cannot change a bit of it. ``conditioning``
    and ``embedded`` as for :meth:`adloom.models.generator.AdModel.prefer`.

    Raises:
        FloatingPointError: they are not finite.
    """
    how = wanted.sampling
    batch = batch_briefs([wanted.brief], model.tokenizer, model.config).to(model.device)
    embeds, valid = model.prompt(batch, how.keep, conditioning, embedded)
    foreground = how.foreground_strength * model.perceive(batch.cutouts, conditioning)[:, 0].float()
    if conditioning.guidance is not None:
        strength = torch.tensor([how.guidance], device=model.device)
        foreground = foreground + conditioning.guidance(strength).float()
    prompt = embeds[0, valid[0]].float()
    if not (prompt.isfinite().all() and foreground.isfinite().all()):
        raise FloatingPointError("the encoded brief is not finite")
    return prompt, foreground, _phrases(model, batch)


def _phrases(model: AdModel, batch: BriefBatch) -> Phrases:
    pad, eos = model.tokenizer.pad_token_id, model.tokenizer.eos_token_id
    titles = [[token for token in row if token != pad] for row in batch.history_titles[0].tolist()]
    # A title follows the end of its prompt.
    texts = [[model.eoi_id, *title, eos] for title in titles if title]
    return Phrases([*texts, batch.prompt[0].tolist()], otherwise=eos)


def forbidden_in_titles(model: AdModel) -> Tensor:
    """Float ``(vocabulary,)``: minus infinity for what no title may have, else 0."""
    mask = torch.zeros(model.janus.lm_head.out_features, device=model.device)
    mask[list(_forbidden(model))] = -torch.inf
    return mask


def words_of_titles(model: AdModel) -> Tensor:
    """Ids of the tokens that a title may have before its end, int64 ``(n,)``, rising."""
    allowed = torch.ones(model.janus.lm_head.out_features, dtype=torch.bool)
    allowed[[*_forbidden(model), model.tokenizer.eos_token_id]] = False
    return allowed.nonzero()[:, 0].to(model.device)


def _forbidden(model: AdModel) -> set[int]:
    """Ids of the tokens that no title may have; its end is none of them."""
    tokenizer, vocabulary = model.tokenizer, model.janus.lm_head.out_features
    ids = set(special_tokens(tokenizer)) - {tokenizer.eos_token_id}
    ids |= {model.boi_id, model.eoi_id, model.janus.config.image_token_id}
    # A checkpoint may have more rows than its tokenizer has tokens.
    return ids | set(range(len(tokenizer), vocabulary))
