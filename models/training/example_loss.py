"""How well the generator would have written and drawn ads that were clicked.

Source: Uni-AdGen, section 3.4: one sequence, title then image, cross-entropy on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from adloom.models.ad_generator import AdGenerator
from adloom.models.batch_share import share_of_batch
from adloom.models.batching import BriefBatch, TargetBatch, batch_briefs, batch_targets
from adloom.models.brief import Example
from adloom.models.engine.job import words_of_titles
from adloom.models.generator import AdModel
from adloom.models.precision import fast_precision
from adloom.models.training.data_parallel import own_share, summed

TITLE_WEIGHT = 1.0
"""Weight of the title's loss beside the picture's."""


def example_loss(
    generator: AdGenerator,
    examples: Sequence[Example],
    unconditional: torch.Tensor | None = None,
    noise: torch.Tensor | None = None,
    keep: float | None = None,
    through: nn.Module | None = None,
    rows: Sequence[int] | None = None,
) -> torch.Tensor:
    """Weighted sum of title and picture cross-entropy (nats a token), with gradient.

    What an example adds to both is multiplied by its ``weight``.
    ``unconditional`` bool ``(n,)`` marks rows that train the guidance's blank prompt.
    ``noise`` float ``(n,)`` is the share of a target's tokens that is replaced at random where
    they are context: after clean context only the first tokens of title and picture depend on
    the history, and a model that learns from nothing takes long to look there at all.
    ``keep`` as for :meth:`adloom.models.generator.AdModel.prefer`. ``through`` is what wraps the
    model to train it in several processes; None calls the model itself. ``rows`` are those that
    this process computes: what it gets is their part of the loss of all ``examples``.
    """
    model = generator.model
    briefs, targets = batch_of(generator, examples)
    context = None if noise is None else noisy(targets, noise, model)
    losses = through or model
    weights = _weights(examples, model.device)
    batch = _Batch(briefs, targets, unconditional, context, weights)
    if rows is None:
        title, picture = losses(*batch, keep)
        loss: torch.Tensor = TITLE_WEIGHT * title + picture
        return loss
    # Who has none computes one for nothing, so that what is drawn next is the same everywhere.
    part = batch.rows(rows or [0])
    with share_of_batch(rows or [0], len(examples)):
        title, picture = losses(*part, keep)
    titles = part.title_tokens(model) / max(1, batch.title_tokens(model))
    share: torch.Tensor = TITLE_WEIGHT * title * titles + picture * (len(rows) / len(examples))
    return share if rows else 0.0 * share


class _Batch(NamedTuple):
    """What the model takes, but for the share of a history that passes."""

    briefs: BriefBatch
    target: TargetBatch
    unconditional: torch.Tensor | None
    context: TargetBatch | None
    weights: torch.Tensor | None

    def rows(self, chosen: Sequence[int]) -> _Batch:
        at = list(chosen)
        blank, context, weights = self.unconditional, self.context, self.weights
        return _Batch(
            self.briefs.rows(at),
            self.target.rows(at),
            None if blank is None else blank[at],
            None if context is None else context.rows(at),
            None if weights is None else weights[at],
        )

    def title_tokens(self, model: AdModel) -> int:
        """How many tokens of titles are scored."""
        scored = self.target.titles != model.tokenizer.pad_token_id
        if self.unconditional is not None:
            scored = scored & ~self.unconditional[:, None]
        return int(scored.sum())


def _weights(examples: Sequence[Example], device: torch.device) -> torch.Tensor | None:
    """float32 ``(n,)``; None where all are 1, so that nothing is computed otherwise then."""
    weights = [example.weight for example in examples]
    return None if set(weights) <= {1.0} else torch.tensor(weights, device=device)


def batch_of(generator: AdGenerator, examples: Sequence[Example]) -> tuple[BriefBatch, TargetBatch]:
    """Inputs and targets on the model's device, told what the active adapter is told."""
    model = generator.model
    told = [generator.told(e.brief, generator.active, besides=e.title) for e in examples]
    briefs = batch_briefs(told, model.tokenizer, model.config)
    targets = batch_targets(examples, model.tokenizer, model.config)
    return briefs.to(model.device), targets.to(model.device)


def noisy(target: TargetBatch, share: torch.Tensor, model: AdModel) -> TargetBatch:
    """Replace a share (float ``(n,)``) of each row's tokens by random ones that may stand there;
    padding stays."""

    def replaced(tokens: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        at_random = by[torch.randint_like(tokens, len(by))]
        chosen = torch.rand(tokens.shape, device=tokens.device) < share[:, None]
        return torch.where(chosen, at_random, tokens)

    pictures = model.janus.model.vqmodel.quantize.num_embeddings
    codes = replaced(target.codes, torch.arange(pictures, device=target.codes.device))
    titles = replaced(target.titles, words_of_titles(model))
    padding = target.titles == model.tokenizer.pad_token_id
    return TargetBatch(target.titles.where(padding, titles), codes)


@torch.inference_mode()
def heldout_loss(generator: AdGenerator, examples: Sequence[Example], batch_size: int) -> float:
    """Mean loss of ``examples`` under the active adapter, by weight; nan when there are none.

    Processes that train together deal the batches among them.
    """
    if not examples:
        return float("nan")
    total, starts = 0.0, range(0, len(examples), batch_size)
    for number in own_share(len(starts)):
        part = examples[starts[number] : starts[number] + batch_size]
        with fast_precision(generator.model):
            total += float(example_loss(generator, part)) * len(part)
    return summed([total])[0] / len(examples)


@torch.inference_mode()
def log_likelihoods(
    generator: AdGenerator, examples: Sequence[Example], batch_size: int
) -> list[float]:
    """How likely each ad is under the active adapter, as `AdModel.log_likelihood` tells it."""
    model = generator.model
    found: list[float] = []
    for start in range(0, len(examples), batch_size):
        part = examples[start : start + batch_size]
        with fast_precision(model):
            likelihood = model.log_likelihood(*batch_of(generator, part))
        found += likelihood.tolist()
    return found
