"""What goes into the generator and what comes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adloom.models.placement import Placement
from adloom.models.titles.rules import TitleRules

Codes = NDArray[np.int16]
"""VQ codes of one picture, ``(tokens,)``."""


@dataclass(frozen=True)
class HistoryAd:
    """A clicked ad: its title, the codes of its picture, and its id where it has one.

    Codes are those that the base reads of a history: ``AdGenerator.encode_history`` makes them.
    ``title_rank`` is the place of its title among those of the history, from 0; where it is the
    same for all, titles are read in the order of the pictures.
    """

    title: str
    codes: Codes
    ad_id: str = ""
    title_rank: int = 0


@dataclass(frozen=True)
class AdBrief:
    """One ad to make: the product, its selling words and the shopper's history.

    ``cutout`` is the product with transparency (RGBA), cropped to its content. ``history``
    holds the representative clicked ads, the one that says most of the taste first; empty is a cold
    start. ``category`` is the product's in the catalogue, if it has one, and ``trend`` what
    everybody clicked there of late, the most clicked first; None leaves that to the adapter
    (:mod:`adloom.models.trends`). ``titles`` keeps the title to its product; None sets no limit.
    ``short_name`` is what a title says where the name is too long for it. ``language`` is that of
    the product's texts (BCP 47), if it is known.
    """

    product_name: str
    selling_words: tuple[str, ...]
    cutout: Image.Image
    history: tuple[HistoryAd, ...] = ()
    category: str = ""
    trend: tuple[HistoryAd, ...] | None = None
    titles: TitleRules | None = None
    short_name: str = ""
    language: str = ""
    placement: Placement | None = None

    @property
    def read_ads(self) -> tuple[HistoryAd, ...]:
        """The clicked ads that the model reads, in order: the trend, then the history."""
        return (*(self.trend or ()), *self.history)

    def title_order(self, most: int) -> list[int]:
        """Positions of the first ``most`` of `read_ads`, in the order of their titles."""
        trend, read = len(self.trend or ()), self.read_ads[:most]
        own = sorted(range(trend, len(read)), key=lambda position: read[position].title_rank)
        return [*range(min(trend, len(read))), *own]


@dataclass(frozen=True)
class AdDraft:
    """A generated title and background (RGB), with the codes it was decoded from.

    ``cut`` is true where the title was ended for want of room; ``steps`` of the engine drew it.
    """

    title: str
    codes: Codes
    background: Image.Image
    cut: bool = False
    steps: int = 0


@dataclass(frozen=True)
class Example:
    """A clicked ad as a training target for the brief it was shown for.

    ``weight`` is how much it counts beside others, whose weights have a mean of 1.
    """

    brief: AdBrief
    title: str
    codes: Codes
    weight: float = 1.0
