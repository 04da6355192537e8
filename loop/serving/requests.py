"""What ads are asked for, and who draws them."""

from __future__ import annotations

from dataclasses import dataclass

from adloom.loop.catalogue.histories.past_ads import PastAd
from adloom.loop.catalogue.product import Product
from adloom.loop.experiments.assignment import Assignment
from adloom.models.settings import GeneratorSettings


@dataclass(frozen=True)
class Variant:
    """Something that may draw: its name, number or alias of its version, its settings."""

    name: str
    version: int | str
    settings: GeneratorSettings


@dataclass(frozen=True)
class Preview:
    """An ad to look at: drawn by this variant after these clicked ads, shown to no shopper."""

    variant: Variant
    history: tuple[PastAd, ...]


@dataclass(frozen=True)
class AdRequest:
    """An ad wanted for a shopper and a product; the same ``seed`` draws the same ad.

    ``assignment`` is the arm that the shopper is in while an experiment runs; ``preview`` says
    who draws and after what, whatever arm the shopper is in. ``ad_id`` names the ad of a request
    that may come again, here or to another server: it gets the ad that it got first. What is not
    ``personalised`` is what anyone would get: no history is read.
    """

    user_id: str
    product: Product
    seed: int
    assignment: Assignment | None = None
    preview: Preview | None = None
    ad_id: str | None = None
    personalised: bool = True

    @property
    def reads_history(self) -> bool:
        """Whether what its shopper clicked counts."""
        return self.personalised and self.preview is None


@dataclass(frozen=True)
class Serving:
    """What draws: the variant's name in events, the registered version, its loaded adapter.

    ``settings`` are the arm's own; None takes those of the maker.
    """

    variant: str
    version: int
    adapter: str | None
    settings: GeneratorSettings | None = None
