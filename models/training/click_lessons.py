"""What a round learns from, and the loss of each of its steps.

Clicked ads are what to draw (cross-entropy); pairs of a clicked and an unclicked ad say what to
draw rather than what (:mod:`adloom.models.training.preference_loss`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import Example, HistoryAd
from adloom.models.settings import FineTuneSettings
from adloom.models.training.data_parallel import own_share, world_size
from adloom.models.training.example_loss import example_loss
from adloom.models.training.preference_loss import (
    PreferencePair,
    preference_loss,
    reference_margins,
)


@dataclass(frozen=True)
class TrainingClicks:
    """What a round learns from.

    Attributes:
        clicked: clicked ads with the history known before each exposure.
        pairs: clicked against unclicked ads of one shopper or product.
        replay: earlier clicked ads, mixed in against forgetting.
        heldout: later clicked ads, never trained on.
        trends: clicked ads by category, the most clicked first, that the adapter may go by from now
            on; those it learns with come with the examples, so that none sees its own future.
    """

    clicked: Sequence[Example]
    pairs: Sequence[PreferencePair] = ()
    replay: Sequence[Example] = ()
    heldout: Sequence[Example] = ()
    trends: Mapping[str, tuple[HistoryAd, ...]] = field(default_factory=dict)


def click_lessons(
    generator: AdGenerator, clicks: TrainingClicks, settings: FineTuneSettings
) -> ClickLessons:
    """The lessons; the untrained adapter is the reference of the pairs."""
    pairs = [
        replace(
            pair,
            clicked=_told(generator, pair.clicked),
            unclicked=_told(generator, pair.unclicked),
        )
        for pair in (clicks.pairs if settings.preference_weight > 0 else ())
    ]
    reference = reference_margins(generator.model, pairs, settings.batch_size)
    return ClickLessons(clicks, list(zip(pairs, reference, strict=True)), settings)


def _told(generator: AdGenerator, example: Example) -> Example:
    told = generator.told(example.brief, generator.active, besides=example.title)
    return replace(example, brief=told)


@dataclass(frozen=True)
class ClickLessons:
    """Draws the batch of each step: clicked ads with some replay, and pairs with what the
    reference thinks of them.

    Processes that train together draw the same batch, and each computes a share of it.
    """

    clicks: TrainingClicks
    pairs: list[tuple[PreferencePair, float]]
    settings: FineTuneSettings

    def loss(self, generator: AdGenerator, draw: random.Random) -> torch.Tensor:
        """Loss of one step, with gradient: this process's part of it."""
        size = self.settings.batch_size
        clicked, replay = list(self.clicks.clicked), list(self.clicks.replay)
        old = draw.sample(replay, min(round(self.settings.replay_share * size), len(replay)))
        batch = draw.sample(clicked, min(size - len(old), len(clicked))) + old
        device = generator.model.device
        blank = torch.tensor([draw.random() < 0.1 for _ in batch], device=device)
        hidden = [
            draw.random() if draw.random() < self.settings.hidden_context else 0.0 for _ in batch
        ]
        noise = torch.tensor(hidden, device=device)
        rows = own_share(len(batch)) if world_size() > 1 else None
        loss = example_loss(generator, batch, blank, noise, rows=rows)
        if self.pairs:
            drawn = draw.sample(self.pairs, min(max(1, size // 8), len(self.pairs)))
            pairs, reference = zip(*drawn, strict=True)
            preferred = preference_loss(
                generator.model,
                pairs,
                reference,
                self.settings.preference_beta,
                own_share(len(drawn)),
            )
            loss = loss + self.settings.preference_weight * preferred
        return loss
