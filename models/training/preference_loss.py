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

from adloom.models.batching import batch_briefs, batch_targets
from adloom.models.brief import Example
from adloom.models.generator import AdModel
from adloom.models.precision import fast_precision


@dataclass(frozen=True)
class PreferencePair:
    """Two ads of one shopper or one product, of which the first was clicked."""

    clicked: Example
    unclicked: Example


def margins(model: AdModel, pairs: Sequence[PreferencePair]) -> Tensor:
    """How much likelier the clicked ad of each pair is: log-likelihood ratio, ``(n,)``."""
    ads = [pair.clicked for pair in pairs] + [pair.unclicked for pair in pairs]
    briefs = batch_briefs([ad.brief for ad in ads], model.tokenizer, model.config)
    targets = batch_targets(ads, model.tokenizer, model.config)
    likelihood = model.log_likelihood(briefs.to(model.device), targets.to(model.device))
    clicked, unclicked = likelihood.chunk(2)
    return clicked - unclicked


@torch.inference_mode()
def reference_margins(
    model: AdModel, pairs: Sequence[PreferencePair], batch_size: int
) -> list[float]:
    """:func:`margins` under the weights as they are, in evaluation mode, without gradient."""
    found: list[float] = []
    for start in range(0, len(pairs), batch_size):
        with fast_precision(model):
            found += margins(model, pairs[start : start + batch_size]).tolist()
    return found


def preference_loss(
    model: AdModel, pairs: Sequence[PreferencePair], reference: Sequence[float], beta: float
) -> Tensor:
    """Mean loss of ``pairs``, nats, with gradient: log 2 for a model that is its reference.

    Args:
        model: what is trained.
        pairs: at least one.
        reference: margins of the champion, one a pair.
        beta: weight of moving away from it.
    """
    moved = margins(model, pairs) - torch.tensor(reference, device=model.device)
    return -F.logsigmoid(beta * moved).mean()
