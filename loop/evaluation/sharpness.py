"""How sharp drawn backgrounds are, and whether their texture is that of their scene.

A classifier of small thumbnails tells a soft wall from a soft forest. Whether bricks have joints
is told at full size: by the energy of edges, and by crops that are compared with crops of real
scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from adloom.loop.demo.shop.scenes import PALETTES, SCENES, render_scene

SIDE = 512
"""Pixels a side at which backgrounds are looked at, as they are shown."""
_CROPS = 4  # a side
_SCALES = (1, 2, 4)
_FAINT = 1e-4  # of lightness, 0 to 1: smoother than this is plain
_NEIGHBOURS = 5

Lightness = NDArray[np.float32]


def edge_energy(picture: Image.Image) -> float:
    """Mean squared gradient of lightness (0 to 1) at full size, a pixel."""
    down, across = np.gradient(_lightness(picture))
    return float((down**2 + across**2).mean())


@dataclass(frozen=True)
class TextureJudge:
    """Tells the scene of a background by its texture alone: neither colours nor places count.

    Each of 16 crops has the neighbours that it has among crops of real scenes; they vote.
    """

    nearest: Pipeline

    @classmethod
    def fitted(cls, *, seed: int = 0) -> Self:
        """Learnt from one render of each scene and palette; the same seed sees the same."""
        crops, labels = [], []
        for number, (scene, palette) in enumerate(product(SCENES, PALETTES)):
            real = render_scene(scene, palette, seed=seed * 1_000 + number, size=SIDE)
            crops.append(_crops(real))
            labels += [scene] * len(crops[-1])
        nearest = make_pipeline(StandardScaler(), KNeighborsClassifier(_NEIGHBOURS))
        return cls(nearest.fit(np.concatenate(crops), labels))

    def scenes(self, pictures: Sequence[Image.Image]) -> list[str]:
        """The scene that each background (RGB, square) is most like."""
        found = []
        for picture in pictures:
            votes = self.nearest.predict_proba(_crops(picture)).mean(0)
            found.append(str(self.nearest.classes_[votes.argmax()]))
        return found


def _lightness(picture: Image.Image) -> Lightness:
    large = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(large, dtype=np.float32) / np.float32(255)


def _crops(picture: Image.Image) -> NDArray[np.floating]:
    """What each crop is like, ``(crops, features)``: how much lightness changes and bends, across
    and down, from near to far, as logarithms."""
    light, told = _lightness(picture), []
    for scale in _SCALES:
        side = SIDE // scale
        shrunk = light.reshape(side, scale, side, scale).mean(axis=(1, 3))
        for axis, order in product((0, 1), (1, 2)):
            changed = np.abs(np.diff(shrunk, n=order, axis=axis))
            pad = [(0, side - length) for length in changed.shape]
            tile = side // _CROPS
            tiles = np.pad(changed, pad).reshape(_CROPS, tile, _CROPS, tile)
            told.append(np.log(tiles.mean(axis=(1, 3)) + _FAINT).ravel())
    return np.stack(told, axis=1)
