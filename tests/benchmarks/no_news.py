"""Crowds whose clicks say nothing of the ads: by coin, or each shopper's dealt to another."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from adloom.loop.demo.shop.simulator import Crowd, ShownAd
from adloom.stream.events import Click, Impression

_AFTER = timedelta(milliseconds=100)
Answers = dict[str, list[bool]]
"""Of each shopper, in the order of what was shown: whether it was clicked."""


class WithoutNews(Crowd):
    """A crowd that sees what its shoppers see, and whose clicks are dealt anew."""

    def __init__(self, crowd: Crowd, deal: Callable[[Answers], Answers]) -> None:
        super().__init__(crowd.values(), crowd._perception, seed=crowd._seed)
        self._deal = deal

    def browse(self, *args: Any, **kwargs: Any) -> list[Impression | Click]:
        events = super().browse(*args, **kwargs)
        shown = [event for event in events if isinstance(event, Impression)]
        clicks = [event for event in events if isinstance(event, Click)]
        dealt = self._dealt(shown, {(click.user_id, click.ad_id) for click in clicks})
        answers = [
            _click(event, event.ts, event.variant)
            for event, clicked in zip(shown, dealt, strict=True)
            if clicked
        ]
        return sorted([*shown, *answers], key=lambda event: event.ts)

    def react(self, ads: Sequence[ShownAd], *, round_number: int) -> list[Click]:
        real = {
            (click.user_id, click.ad_id) for click in super().react(ads, round_number=round_number)
        }
        dealt = self._dealt(ads, real)
        return [
            _click(ad, ad.shown_at, ad.variant)
            for ad, clicked in zip(ads, dealt, strict=True)
            if clicked
        ]

    def _dealt(
        self, shown: Sequence[Impression | ShownAd], clicked: set[tuple[str, str | None]]
    ) -> list[bool]:
        """For each showing, in order; one that a shopper's new answers do not reach is left."""
        answers: Answers = {}
        for event in shown:
            answers.setdefault(event.user_id, []).append((event.user_id, event.ad_id) in clicked)
        left = {user: iter(row) for user, row in self._deal(answers).items()}
        return [next(left[event.user_id], False) for event in shown]


def by_coin(seed: int) -> Callable[[Answers], Answers]:
    """Every second ad is clicked, whichever it is."""
    rng = random.Random(f"coin/{seed}")
    return lambda answers: {
        user: [rng.random() < 0.5 for _ in row] for user, row in answers.items()
    }


def swapped(seed: int) -> Callable[[Answers], Answers]:
    """Each shopper has the answers of another one; rates and runs of clicks stay."""
    rng = random.Random(f"swapped/{seed}")

    def deal(answers: Answers) -> Answers:
        users = rng.sample(sorted(answers), len(answers))
        return {
            user: answers[other] for user, other in zip(users, users[1:] + users[:1], strict=True)
        }

    return deal


def _click(shown: Impression | ShownAd, ts: datetime, variant: str | None) -> Click:
    item = shown.item_id if isinstance(shown, Impression) else shown.product.product_id
    return Click(
        event_id=str(uuid.uuid4()),
        ts=ts + _AFTER,
        user_id=shown.user_id,
        item_id=item,
        ad_id=shown.ad_id,
        variant=variant,
        position=shown.position,
    )
