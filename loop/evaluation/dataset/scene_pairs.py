"""Pairs of pictures with one scene and different products, from the clicked ads of a data set.

Source: Uni-AdGen, section 4.1. A scene is seen twice: as it was clicked, and with another ad's
product in the place of its own. That other ad is of the same batch, so each product is also seen
before two scenes: those are the negatives that only the background tells apart.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageFilter

from adloom.loop.demo.pretraining.background import softened
from adloom.loop.evaluation.dataset.records import CannotJudge
from adloom.models.compose import compose_ad, place_cutout
from adloom.models.datasets.shards import read_rows, row_groups, shard_files
from adloom.models.placement import Placement
from adloom.models.quality.background import PICTURE_SIZE

_COLUMNS = ["split", "picture", "cutout", "placement"]
_GROUPS_A_STEP = 4
_GROUPS_IN_MEMORY = 16
_LARGE = 2 * PICTURE_SIZE
_LEAST_SHOWN = 0.85
"""Of a picture's side, when it is cropped."""


@dataclass(frozen=True)
class Scene:
    """A clicked picture and its product: encoded, as shards have them."""

    picture: bytes
    cutout: bytes
    placement: Placement | None

    def opened(self) -> Image.Image:
        """The picture, RGB, a little larger than the encoder looks at."""
        with Image.open(io.BytesIO(self.picture)) as picture:
            return picture.convert("RGB").resize((_LARGE, _LARGE), Image.Resampling.BICUBIC)

    def product(self) -> Image.Image:
        """Its cutout, RGBA."""
        with Image.open(io.BytesIO(self.cutout)) as cutout:
            return cutout.convert("RGBA")


class ScenePairs:
    """Makes the pictures of a training step; some row groups are in memory."""

    def __init__(self, data: Path, batch: int) -> None:
        """Pairs from the records of ``data`` that are trained on, ``batch`` at most a step.

        Raises:
            BadShards: the data set is not complete, or a shard is damaged.
            CannotJudge: there are fewer than two pictures to train on.
        """
        self._batch = batch
        self._places = [(p, group) for p in shard_files(data) for group in range(row_groups(p))]
        self._scenes = lru_cache(_GROUPS_IN_MEMORY)(_read)
        counted: set[bytes] = set()
        for place in self._places:
            counted.update(scene.picture for scene in _read(*place))
            if len(counted) > 1:
                return
        raise CannotJudge(f"{data} has {len(counted)} pictures to train on, of two at the least")

    def drawn(self, rng: random.Random) -> list[Image.Image]:
        """``2 n`` pictures: number i and number ``n + i`` have one scene, all others another."""
        scenes = self._chosen(rng)
        products = [scene.product() for scene in scenes]
        as_clicked = [scene.opened() for scene in scenes]
        replaced = [
            _with_another(picture, scene, product)
            for picture, scene, product in zip(
                as_clicked, scenes, [*products[1:], products[0]], strict=True
            )
        ]
        return [_view(picture, rng) for picture in (*as_clicked, *replaced)]

    def _chosen(self, rng: random.Random) -> list[Scene]:
        """Scenes of some row groups at random, each picture once; two at the least."""
        found: dict[bytes, Scene] = {}
        for number, place in enumerate(rng.sample(self._places, len(self._places))):
            if number >= _GROUPS_A_STEP and len(found) > 1:
                break
            found |= {scene.picture: scene for scene in self._scenes(*place)}
        scenes = list(found.values())
        return rng.sample(scenes, min(self._batch, len(scenes)))


def _read(path: Path, group: int) -> tuple[Scene, ...]:
    return tuple(
        Scene(
            row["picture"],
            row["cutout"],
            None if row["placement"] is None else Placement(**row["placement"]),
        )
        for row in read_rows(path, group, _COLUMNS).to_pylist()
        if row["split"] == "train"
    )


def _with_another(picture: Image.Image, scene: Scene, product: Image.Image) -> Image.Image:
    """The scene with ``product`` where its own was, which is blurred away."""
    left, top, width, height = place_cutout(scene.product(), _LARGE, scene.placement)
    box = (max(0, left), max(0, top), min(_LARGE, left + width), min(_LARGE, top + height))
    hidden = picture.copy()
    blurred = picture.filter(ImageFilter.GaussianBlur(_LARGE / 8))
    hidden.paste(blurred.crop(box), box[:2])
    middle, bottom = (left + width / 2) / _LARGE, (top + height) / _LARGE
    scale = min(width / product.width, height / product.height) / _LARGE
    there = Placement(middle, bottom, product.width * scale, product.height * scale)
    return compose_ad(hidden, product, there, size=_LARGE)


def _view(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Most of the picture, as soft as a generator draws."""
    side = round(_LARGE * rng.uniform(_LEAST_SHOWN, 1))
    left, top = rng.randint(0, _LARGE - side), rng.randint(0, _LARGE - side)
    cropped = picture.crop((left, top, left + side, top + side))
    small = cropped.resize((PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.BICUBIC)
    return softened(small, rng)
