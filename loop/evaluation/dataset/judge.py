"""What single ads are worth against the ads that were clicked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adloom.models.datasets.record import AdRecord
from adloom.models.quality.background import PictureEncoder, background_similarity
from adloom.models.quality.text import bleu, rouge_l
from adloom.models.titles.mentions import describes


class TextAndPicture(Protocol):
    """Scores pictures by how well they go with a text."""

    def scores(self, pictures: Sequence[Image.Image], texts: Sequence[str]) -> NDArray[np.float32]:
        """One score a pair, float32 ``(n,)``."""


@dataclass(frozen=True)
class JudgedAd:
    """A finished ad (RGB) with its title, and what its title calls the product."""

    title: str
    picture: Image.Image
    title_name: str


@dataclass(frozen=True)
class Judge:
    """What ads are looked at with.

    Attributes:
        pbs: the encoder of PBS.
        inception: features of FID and KID; None: the embeddings of PBS stand in for them.
        with_name: scores of pictures beside their product's name, by what they are called.
    """

    pbs: PictureEncoder
    inception: PictureEncoder | None = None
    with_name: Mapping[str, TextAndPicture] = field(default_factory=dict)

    def seen(self, pictures: Sequence[Image.Image]) -> Seen:
        """Embeddings of pictures."""
        embedded = self.pbs.embed(pictures)
        features = embedded if self.inception is None else self.inception.embed(pictures)
        return Seen(embedded, features)

    def values(
        self, ads: Sequence[JudgedAd], drawn: Seen, records: Sequence[AdRecord], clicked: Seen
    ) -> dict[str, NDArray[np.float64]]:
        """Each metric of each ad beside its record, ``(ads,)``.

        ``pbs`` -1..1; ``bleu`` and ``rouge_l`` 0..1, in the record's language, against the title
        that was clicked; ``true_title`` 0 or 1: it names the product and a selling point.
        """
        pairs = list(zip(ads, records, strict=True))
        values: dict[str, Sequence[float] | NDArray[np.float32]] = {
            "pbs": background_similarity(drawn.embedded, clicked.embedded),
            "bleu": [bleu(ad.title, r.titles[0], r.language or "en") for ad, r in pairs],
            "rouge_l": [rouge_l(ad.title, r.titles[0]) for ad, r in pairs],
            "true_title": [describes(ad.title, ad.title_name, r.words) for ad, r in pairs],
        }
        pictures, names = [ad.picture for ad in ads], [record.name for record in records]
        for name, scorer in self.with_name.items():
            values[name] = scorer.scores(pictures, names)
        return {name: np.asarray(column, dtype=np.float64) for name, column in values.items()}


@dataclass(frozen=True)
class Seen:
    """Of some pictures: PBS embeddings ``(n, width)`` and features for distances."""

    embedded: NDArray[np.float32]
    features: NDArray[np.float32]
