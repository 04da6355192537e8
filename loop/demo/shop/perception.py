"""What a simulated shopper sees in an ad picture: its scene and palette, from pixels alone.

A classifier over small colour thumbnails of rendered ads. It learns from backdrops that were
patched with bits of others, blurred, shrunk and compressed, because what a generator draws is
softer than the renders and at times mixes them up; the product on top is sharp.
"""

from __future__ import annotations

import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from sklearn.ensemble import ExtraTreesClassifier

from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.scenes import PALETTES, SCENES, render_scene
from adloom.models.compose import compose_ad

_THUMBNAIL = 16  # px a side of what a glance takes in
_TRAINING_SIZE = 64  # px a side of the pictures learnt from
_PATCH = 8  # px a side of what is mixed in from other pictures
_MOST_PATCHES = 19  # about 30 % of a picture


@dataclass(frozen=True)
class Sight:
    """Probability of each scene and of each palette; both sum to 1."""

    scenes: Mapping[str, float]
    palettes: Mapping[str, float]

    @property
    def scene(self) -> str:
        """The most probable scene."""
        return max(self.scenes, key=self.scenes.__getitem__)

    @property
    def palette(self) -> str:
        """The most probable palette."""
        return max(self.palettes, key=self.palettes.__getitem__)


class ScenePerception:
    """Tells scene and palette of ad pictures; `ScenePerception.fitted()` makes one."""

    def __init__(self, forest: ExtraTreesClassifier) -> None:
        self._forest = forest

    @classmethod
    def fitted(cls, *, seed: int = 0, renders_per_look: int = 8) -> ScenePerception:
        """Fit on `renders_per_look` ads of each scene and palette; the same seed sees the same."""
        rng = random.Random(f"perception/{seed}")
        cutouts = [item.cutout() for item in load_catalog().values()]
        looks = [look for look in product(SCENES, PALETTES) for _ in range(renders_per_look)]
        backdrops = [
            render_scene(scene, palette, seed=rng.getrandbits(31), size=_TRAINING_SIZE)
            for scene, palette in looks
        ]
        glances = []
        for backdrop in backdrops:
            picture = _spoilt(_patched(backdrop, backdrops, rng), rng)
            if rng.random() < 0.9:
                picture = compose_ad(picture, rng.choice(cutouts), size=_TRAINING_SIZE)
            glances.append(_glance(picture))
        labels = [(SCENES.index(scene), PALETTES.index(palette)) for scene, palette in looks]
        forest = ExtraTreesClassifier(n_estimators=100, max_features=0.3, random_state=seed)
        return cls(forest.fit(np.stack(glances), np.array(labels)))

    def see(self, pictures: Sequence[Image.Image]) -> list[Sight]:
        """Look at ad pictures: any mode and size, square, product on top or not."""
        if not pictures:
            return []
        scenes, palettes = self._forest.predict_proba(np.stack([_glance(p) for p in pictures]))
        return [
            Sight(_sharpened(SCENES, of_scenes), _sharpened(PALETTES, of_palettes))
            for of_scenes, of_palettes in zip(scenes, palettes, strict=True)
        ]


def _sharpened(names: Sequence[str], votes: np.ndarray) -> dict[str, float]:
    """Probabilities from a forest's votes: squared, as trees spread votes on what is clear."""
    squared = votes**2
    return dict(zip(names, (squared / squared.sum()).tolist(), strict=True))


def _glance(picture: Image.Image) -> np.ndarray:
    """What a glance takes in, a flat float32 vector.

    Light and two colour differences, each as a coarse grid and, because things stand left in one
    picture and right in the next, as the mean and spread along every row.
    """
    small = picture.convert("RGB").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    red, green, blue = np.moveaxis(np.asarray(small, dtype=np.float32) / 255, -1, 0)
    seen = np.stack([(red + green + blue) / 3, red - green, blue - green], axis=-1)
    half = _THUMBNAIL // 2
    grid = seen.reshape(half, 2, half, 2, 3).mean(axis=(1, 3))
    return np.concatenate([grid.ravel(), seen.mean(axis=1).ravel(), seen.std(axis=1).ravel()])


def _patched(
    picture: Image.Image, others: Sequence[Image.Image], rng: random.Random
) -> Image.Image:
    """The picture with squares of others in it, as where a wrong token was drawn."""
    patched = picture.copy()
    for _ in range(rng.randint(0, _MOST_PATCHES)):
        x, y = (_PATCH * rng.randrange(picture.width // _PATCH) for _ in range(2))
        patched.paste(rng.choice(others).crop((x, y, x + _PATCH, y + _PATCH)), (x, y))
    return patched


def _spoilt(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The picture as a weak generator might draw it: soft, blocky, a little off in light."""
    size = picture.width
    coarse = rng.randint(size // 4, size)
    picture = picture.resize((coarse, coarse), Image.Resampling.BILINEAR).resize((size, size))
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, size / 24)))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(rng.uniform(0.85, 1.15))
    compressed = io.BytesIO()
    picture.save(compressed, format="JPEG", quality=rng.randint(25, 95))
    return Image.open(compressed).convert("RGB")
