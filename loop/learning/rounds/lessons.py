"""The examples of a round: what it learns from, what it chooses by, and what the gate judges by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from adloom.loop.learning.click_trends import ClickTrends
from adloom.loop.learning.positions import click_weights, left_weight
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.plan import RoundClicks
from adloom.loop.learning.training_set import ShownAd, examples
from adloom.loop.learning.trial import JudgedAds
from adloom.models.brief import Example
from adloom.models.training.click_lessons import TrainingClicks
from adloom.models.training.preference_loss import PreferencePair


@dataclass(frozen=True)
class Lessons:
    """Examples of the clicks of a round; what there is nothing to learn from is left out."""

    ground: TrainingGround
    clicks: RoundClicks

    def training(self) -> TrainingClicks:
        """What is trained on, and the clicks that choose."""
        clicks, ground = self.clicks, self.ground
        trends = ClickTrends(
            [*clicks.replay, *clicks.train], ground.past_ads, ground.rounds.max_user_share
        )

        def lessons(shown: Sequence[ShownAd]) -> list[Example | None]:
            return [
                example and _on_trend(example, ad, trends)
                for example, ad in zip(self._of(shown), shown, strict=True)
            ]

        trained_on = dict(zip(clicks.train, lessons(clicks.train), strict=True))
        unclicked = lessons([left for _, left in clicks.pairs])
        return TrainingClicks(
            clicked=self._weighted(list(trained_on.values()), clicks.train),
            pairs=[
                PreferencePair(clicked, left, self._weight_of_left(ad))
                for (click, ad), left in zip(clicks.pairs, unclicked, strict=True)
                if (clicked := trained_on[click]) and left
            ],
            replay=self._weighted(lessons(clicks.replay), clicks.replay),
            # These, as the judged ones, meet what an adapter knows of trends, as ads to come will.
            heldout=self._weighted(self._of(clicks.choose), clicks.choose),
            trends=trends.now(),
        )

    def _weighted(
        self, lessons: Sequence[Example | None], clicks: Sequence[ShownAd]
    ) -> list[Example]:
        """Those there are, by how likely their positions were looked at, with a mean weight of 1:
        of each part by itself, so that the share of a batch that is replayed stays what it is."""
        found = [(e, ad.position) for e, ad in zip(lessons, clicks, strict=True) if e]
        weights = click_weights([at for _, at in found], self.clicks.examination, self._most)
        return [
            replace(example, weight=weight)
            for (example, _), weight in zip(found, weights, strict=True)
        ]

    def _weight_of_left(self, ad: ShownAd) -> float:
        return left_weight(ad.position, self.clicks.examination, self._most)

    @property
    def _most(self) -> float | None:
        return self.ground.rounds.max_position_weight

    def judged(self) -> JudgedAds:
        """What the gate alone reads."""
        clicks, late = self.clicks, set(self.clicks.late)
        clicked = [ad for e, ad in zip(self._of(clicks.judge), clicks.judge, strict=True) if e]
        left = [(e, ad) for e, ad in zip(self._of(clicks.left), clicks.left, strict=True) if e]
        return JudgedAds(
            clicked=self._weighted(self._of(clicked), clicked),
            clicked_by=[click.user_id for click in clicked],
            left=[example for example, _ in left],
            left_by=[ad.user_id for _, ad in left],
            late=frozenset(place for place, click in enumerate(clicked) if click in late),
        )

    def _of(self, shown: Sequence[ShownAd]) -> list[Example | None]:
        return [self._read[ad] for ad in shown]

    @cached_property
    def _read(self) -> dict[ShownAd, Example | None]:
        """Of all clicks of the round: read at once, and an ad that is in several parts once."""
        clicks, ground = self.clicks, self.ground
        left = [ad for _, ad in clicks.pairs]
        shown = list(
            dict.fromkeys((*clicks.train, *left, *clicks.replay, *clicks.heldout, *clicks.left))
        )
        found = examples(
            shown,
            ground.features,
            ground.past_ads,
            ground.targets,
            history_items=ground.drawing.history_items,
            coarse=ground.drawing.coarse,
            seen_weight=ground.drawing.seen_weight,
            titles=ground.titles,
            constrained=ground.drawing.constrain_titles,
        )
        return dict(zip(shown, found, strict=True))


def _on_trend(example: Example, ad: ShownAd, trends: ClickTrends) -> Example:
    """The example with the trend of its category as it stood when the ad was shown."""
    trend = trends.before(example.brief.category, ad.shown_at, besides=ad.ad_id)
    return replace(example, brief=replace(example.brief, trend=trend))
