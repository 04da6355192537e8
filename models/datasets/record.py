"""One clicked ad as training reads it: all of it made once, nothing left to look up."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from adloom.models.brief import AdBrief, Codes, Example, HistoryAd
from adloom.models.placement import Placement
from adloom.models.retrieval import drawn_by_likeness

Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class AdRecord:
    """A clicked ad of a data set, with its shopper's history from before the click.

    Attributes:
        record_id: unique within the data set.
        split: whether it is trained on.
        name, short_name, words, language, category: of the product, as a brief has them.
        titles: what the clicked ad said; the first is the target.
        cutout: the product, PNG (RGBA), cropped to what is opaque.
        placement: where it lies in the picture; None where the catalogue has no say.
        picture: the clicked picture, WebP, square, of the base's size.
        codes: VQ codes of the picture.
        history: the shopper's clicked ads, newest last, with codes as the base reads a history.
        likeness: of each of them to the product by text, ``(history,)``; the title that is to be
            written counts as 0, so that it is never drawn.
    """

    record_id: str
    split: Split
    name: str
    titles: tuple[str, ...]
    cutout: bytes
    picture: bytes
    codes: Codes
    words: tuple[str, ...] = ()
    short_name: str = ""
    language: str = ""
    category: str = ""
    placement: Placement | None = None
    history: tuple[HistoryAd, ...] = ()
    likeness: tuple[float, ...] = ()

    def representing(self, k: int, rng: np.random.Generator) -> tuple[HistoryAd, ...]:
        """At most ``k`` ads of the history, drawn as the paper does (section 3.3)."""
        return tuple(self.history[i] for i in drawn_by_likeness(self.likeness, k, rng))

    def brief(self, history: tuple[HistoryAd, ...] = ()) -> AdBrief:
        """What the generator is told; ``history`` are the ads that stand for the shopper."""
        with Image.open(io.BytesIO(self.cutout)) as cutout:
            product = cutout.convert("RGBA")
        return AdBrief(
            self.name,
            self.words,
            product,
            history,
            category=self.category,
            short_name=self.short_name,
            language=self.language,
            placement=self.placement,
        )

    def example(self, history: tuple[HistoryAd, ...] = ()) -> Example:
        """The record as a training target."""
        return Example(self.brief(history), self.titles[0], self.codes)

    def opened_picture(self) -> Image.Image:
        """The clicked picture (RGB)."""
        with Image.open(io.BytesIO(self.picture)) as picture:
            return picture.convert("RGB")
