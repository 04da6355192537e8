"""An ad that was drawn for a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from PIL import Image

from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.histories.past_ads import PastAd
from adloom.loop.serving.requests import AdRequest
from adloom.loop.serving.steps import StepTaken
from adloom.loop.serving.titles import TitleSource


@dataclass(frozen=True)
class Ad:
    """A finished ad, and the clicked ads of its shopper that it was made after.

    ``seconds`` is how long it took, and ``drawn_together`` how many ads were drawn beside it,
    itself counted, when it was done. ``row_steps`` is the engine's work for it alone, whoever was
    drawn beside it: the steps of all its candidates and titles. ``degraded`` tells that the
    feature store was away: the shopper may have a history that nobody could read.
    ``valid_title`` tells that the title names the product and a selling point of it,
    ``title_source`` whether the model wrote it. ``steps`` tells when it was at what.
    """

    request: AdRequest
    creative: Creative
    picture: Image.Image
    history: tuple[PastAd, ...]
    seconds: float
    drawn_together: int
    row_steps: int
    degraded: bool = False
    valid_title: bool = True
    title_source: TitleSource = "model"
    steps: tuple[StepTaken, ...] = ()

    source: ClassVar[Literal["drawn"]] = "drawn"
    age_seconds: ClassVar[float] = 0.0
    fit: ClassVar[None] = None

    @property
    def personalised(self) -> bool:
        """False where nothing was known of the shopper."""
        return bool(self.history)

    @property
    def variant(self) -> str:
        """Whose ad it counts as."""
        return self.creative.variant

    def context(self) -> dict[str, Any]:
        """What its exposure tells of the drawing."""
        return {
            "source": self.source,
            "drawn_together": self.drawn_together,
            "row_steps": self.row_steps,
            "valid_title": self.valid_title,
            "title_source": self.title_source,
        }
