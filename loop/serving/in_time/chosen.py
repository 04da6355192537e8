"""A finished ad that answers a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.pool.ranker import FEATURES, Choice
from adloom.loop.pool.taste import Taste
from adloom.loop.serving.requests import AdRequest, Serving

Source = Literal["drawn", "pool", "shop"]


@dataclass(frozen=True)
class Chosen:
    """An ad that was made before, shown now.

    Attributes:
        request: the shopper's, who is in no experiment or in an arm.
        serving: what would have drawn: its variant is what the exposure names.
        source: "pool" of those that adloom drew, "shop" of the shop's own.
        fit: share of the ads drawn anew that were less like what their shopper clicked; none
            where nobody can tell, such as for who clicked no ad.
        choice: how it was chosen; none where there was nothing to choose from.
        among: how many there were.
        personalised: whether the shopper's clicks counted.
        degraded: the feature store was away.
        since: when the question came, by the monotonic clock.
        seconds: from then to the choice.
    """

    request: AdRequest
    serving: Serving
    creative: Creative
    source: Source
    fit: float | None
    choice: Choice | None
    among: int
    personalised: bool
    degraded: bool
    since: float
    seconds: float

    title_source: ClassVar[None] = None
    history: ClassVar[tuple[()]] = ()
    steps: ClassVar[tuple[()]] = ()

    @property
    def variant(self) -> str:
        """Whose ad it counts as."""
        return self.serving.variant

    @property
    def age_seconds(self) -> float:
        """Since it was made."""
        return max(0.0, (datetime.now(UTC) - self.creative.served_at).total_seconds())

    def context(self) -> dict[str, Any]:
        """What its exposure tells of the choice: enough to learn from, and for estimates."""
        told: dict[str, Any] = {"source": self.source, "age_seconds": round(self.age_seconds)}
        if self.fit is not None:
            told["fit"] = round(self.fit, 4)
        if self.choice is not None:
            features = (round(float(value), 5) for value in self.choice.features)
            told["choice"] = {
                "among": self.among,
                "propensity": round(self.choice.propensity, 6),
                **dict(zip(FEATURES, features, strict=True)),
            }
        return told


@dataclass(frozen=True)
class Found:
    """What there is for a request.

    Attributes:
        drawn_by: names what would draw it anew.
        clicked: the newest ads that the shopper clicked, which the taste is of.
        best: to show where there is no time to draw; none where the product has no picture either.
        fits: whether it is as good as one drawn anew is expected to be.
        enough_wait: no more are to be drawn until a person has approved what waits: one that was
            drawn for the same clicks, or many.
    """

    request: AdRequest
    serving: Serving
    drawn_by: str
    taste: Taste
    degraded: bool
    since: float
    best: Chosen | None = None
    clicked: tuple[str, ...] = ()
    fits: bool = False
    enough_wait: bool = False
