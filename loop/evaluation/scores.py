"""What the ads of an evaluation arm are worth, with 95 % intervals over shoppers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adloom.loop.demo.shop.copywriting import tone_of
from adloom.loop.demo.shop.creatives import SeedCreative
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.evaluation.intervals import (
    Figure,
    distance_interval,
    mean_intervals,
    ratio_interval,
)
from adloom.loop.evaluation.sharpness import SIDE, TextureJudge, edge_energy
from adloom.models.quality.background import PictureEncoder, background_similarity
from adloom.models.quality.text import bleu, rouge_l
from adloom.models.titles.mentions import describes

AD_SIZE = 256
"""Side in pixels of the pictures that are compared."""


@dataclass(frozen=True)
class ScoredAd:
    """A generated ad and the one its shopper clicked; pictures RGB, finished.

    ``title_name`` is what its title calls the product; "" where its base wants no name of it.
    ``background`` is what was drawn, without the product and of any size.
    """

    title: str
    title_name: str
    picture: Image.Image
    background: Image.Image
    clicked: SeedCreative
    clicked_picture: Image.Image


class Judge:
    """Scores ads: the trained eyes (scene, palette, background, texture) are made once."""

    def __init__(self, encoder: PictureEncoder, perception: ScenePerception) -> None:
        self._encoder = encoder
        self._perception = perception
        self._texture = TextureJudge.fitted()
        self._clicked_edges: dict[SeedCreative, float] = {}

    def scores(self, ads: Sequence[ScoredAd], *, seed: int = 0) -> dict[str, Figure]:
        """Every metric over ``ads``, one ad a shopper, at least two.

        ``pbs`` -1..1; the shares ``scene_match``, ``palette_match``, ``tone_match``,
        ``texture_match`` (the scene by texture alone), and ``true_title`` (the title names the
        product as its base wants it, and a selling point); ``bleu`` and ``rouge_l`` 0..1;
        ``edge_energy``, that of the drawn backgrounds over that of the clicked ads' scenes;
        ``distance`` of the pictures as a whole, 0 and up.
        """
        drawn = self._encoder.embed([ad.picture for ad in ads])
        clicked = self._encoder.embed([ad.clicked_picture for ad in ads])
        sights = self._perception.see([ad.picture for ad in ads])
        looks = [ad.clicked.look for ad in ads]
        by_shopper: dict[str, Sequence[float] | NDArray[np.float32]] = {
            "pbs": background_similarity(drawn, clicked),
            "scene_match": [s.scene == k.scene for s, k in zip(sights, looks, strict=True)],
            "palette_match": [s.palette == k.palette for s, k in zip(sights, looks, strict=True)],
            "texture_match": [
                scene == look.scene
                for scene, look in zip(
                    self._texture.scenes([ad.background for ad in ads]), looks, strict=True
                )
            ],
            "tone_match": [tone_of(ad.title) == ad.clicked.look.tone for ad in ads],
            "true_title": [
                describes(ad.title, ad.title_name, ad.clicked.product.selling_points) for ad in ads
            ],
            "bleu": [bleu(ad.title, ad.clicked.title) for ad in ads],
            "rouge_l": [rouge_l(ad.title, ad.clicked.title) for ad in ads],
        }
        values = {name: np.asarray(column, np.float64) for name, column in by_shopper.items()}
        figures = mean_intervals(values, seed=seed)
        edges = np.array([edge_energy(ad.background) for ad in ads])
        of_clicked = np.array([self._edges(ad.clicked) for ad in ads])
        return figures | {
            "edge_energy": ratio_interval(edges, of_clicked, seed=seed),
            "distance": distance_interval(drawn, clicked, seed=seed),
        }

    def _edges(self, clicked: SeedCreative) -> float:
        """Edge energy of a clicked ad's scene; it is the same in every arm."""
        if clicked not in self._clicked_edges:
            self._clicked_edges[clicked] = edge_energy(clicked.background(SIDE))
        return self._clicked_edges[clicked]
