"""Learning from what was not clicked: pairs of ads, one of them preferred.

Source: direct preference optimisation (arXiv 2305.18290), on likelihoods by token as in SimPO
(arXiv 2405.14734) so that the 144 image tokens do not drown the title.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adloom.models.batch_share import share_of_batch
from adloom.models.batching import batch_briefs, batch_targets
from adloom.models.brief import Example
from adloom.models.generator import AdModel
from adloom.models.precision import fast_precision
from adloom.models.training.data_parallel import own_share, summed


@dataclass(frozen=True)
class PreferencePair:
    """Two ads of one shopper or one product, of which the first was clicked.

    ``weight`` is how likely the second was looked at: what nobody saw is no worse for being left.
    """

    clicked: Example
    unclicked: Example
    weight: float = 1.0


def margins(
    model: AdModel, pairs: Sequence[PreferencePair], mine: Sequence[int] | None = None
) -> Tensor:
    """How much likelier the clicked ad of each pair is: log-likelihood ratio, ``(n,)``.

    ``mine`` are the pairs that this process computes, at least one; None: all of them.
    """
    ads = [pair.clicked for pair in pairs] + [pair.unclicked for pair in pairs]
    own = range(len(pairs)) if mine is None else mine
    rows = [*own, *(len(pairs) + pair for pair in own)]
    briefs = batch_briefs([ad.brief for ad in ads], model.tokenizer, model.config).rows(rows)
    targets = batch_targets(ads, model.tokenizer, model.config).rows(rows)
    with share_of_batch(rows, len(ads)):
        likelihood = model.log_likelihood(briefs.to(model.device), targets.to(model.device))
    clicked, unclicked = likelihood.chunk(2)
    return clicked - unclicked


@torch.inference_mode()
def reference_margins(
    model: AdModel, pairs: Sequence[PreferencePair], batch_size: int
) -> list[float]:
    """:func:`margins` under the weights as they are, in evaluation mode, without gradient.

    Processes that train together deal the batches among them.
    """
    found, starts = [0.0] * len(pairs), range(0, len(pairs), batch_size)
    for number in own_share(len(starts)):
        part = slice(starts[number], starts[number] + batch_size)
        with fast_precision(model):
            found[part] = margins(model, pairs[part]).tolist()
    return summed(found)


def preference_loss(
    model: AdModel,
    pairs: Sequence[PreferencePair],
    reference: Sequence[float],
    beta: float,
    mine: Sequence[int],
) -> Tensor:
    """Mean weighted loss of ``pairs``, nats, with gradient: log 2 for a model that is its
    reference, times the pairs' mean weight.

    Only what ``mine``, pairs that fall to this process, add to it.

    Args:
        model: what is trained.
        pairs: at least one.
        reference: margins of the champion, one a pair.
        beta: weight of moving away from it.
        mine: places of ``pairs``.
    """
    if not mine:
        return torch.zeros((), device=model.device)
    known = torch.tensor(reference, device=model.device)[list(mine)]
    moved = margins(model, pairs, mine) - known
    weights = torch.tensor([pairs[pair].weight for pair in mine], device=model.device)
    return -(weights * F.logsigmoid(beta * moved)).sum() / len(pairs)
