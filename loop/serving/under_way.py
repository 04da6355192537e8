"""A request whose ad is being drawn."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from PIL import Image

from adloom.loop.catalogue.histories.past_ads import PastAd
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.serving.steps import StepTaken
from adloom.models.brief import AdBrief, AdDraft
from adloom.models.engine import Drawn
from adloom.models.titles.rules import TitleRules


@dataclass(frozen=True)
class UnderWay:
    """A request that is being drawn.

    ``titles_drawn`` counts its titles so far; from the second on ``chosen`` is the draft whose
    title could not be shown, with its finished picture, and ``drawn`` is a title alone.
    ``row_steps`` are those of what was drawn before. ``again``: it is drawn a second time, since
    the first ad may not be shown.
    """

    request: AdRequest
    serving: Serving
    history: tuple[PastAd, ...]
    told: AdBrief
    rules: TitleRules
    drawn: Future[list[Drawn]]
    future: Future[Ad]
    since: float
    degraded: bool
    read: StepTaken
    titles_drawn: int = 1
    chosen: tuple[AdDraft, Image.Image] | None = None
    row_steps: int = 0
    again: bool = False

    @property
    def steps_so_far(self) -> int:
        """Row-steps of all that was drawn for it, once the last is drawn."""
        return self.row_steps + sum(drawn.steps for drawn in self.drawn.result())
