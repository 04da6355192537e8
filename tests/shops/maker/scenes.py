"""Scenes that the shop's ads stand in: five styles, each in four palettes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from tests.shops.maker.shading import Floats

SIDE = 192
FLOOR = 0.66


class Palette(NamedTuple):
    """Colours of a scene, 0..255: wall, floor and accent."""

    wall: tuple[int, int, int]
    floor: tuple[int, int, int]
    accent: tuple[int, int, int]


PALETTES = {
    "sand": Palette((236, 222, 196), (198, 160, 112), (226, 150, 90)),
    "meer": Palette((190, 216, 226), (92, 136, 160), (244, 226, 190)),
    "salbei": Palette((206, 216, 190), (122, 142, 108), (240, 214, 150)),
    "beere": Palette((226, 186, 196), (142, 74, 96), (250, 222, 200)),
}


class Ground:
    """What a scene is painted on: coordinates 0..1 and chance of its own."""

    def __init__(self, palette: Palette, rng: np.random.Generator) -> None:
        steps = (np.arange(SIDE) + 0.5) / SIDE
        self.x, self.y = np.meshgrid(steps, steps)
        self.wall, self.floor, self.accent = (np.array(colour) / 255 for colour in palette)
        self.rng = rng

    def room(self) -> Floats:
        """A wall and a floor, the wall lit from the left."""
        lit = 1.06 - 0.22 * self.x - 0.10 * self.y
        deep = 0.86 + 0.5 * (self.y - FLOOR)
        below = (self.y > FLOOR)[..., None]
        return np.where(below, self.floor * deep[..., None], self.wall * lit[..., None])


def _tiles(ground: Ground) -> Floats:
    image = ground.room()
    width, height = 0.20, 0.11
    row = np.floor(ground.y / height)
    column = np.floor(ground.x / width + 0.5 * (row % 2))
    tint = 0.93 + 0.10 * np.modf(np.abs(np.sin(row * 12.98 + column * 78.2)) * 437.5)[0]
    inner_x, inner_y = (ground.x / width + 0.5 * (row % 2)) % 1, (ground.y / height) % 1
    joint = (inner_x < 0.05) | (inner_y < 0.09)
    shine = 0.14 * ((inner_x + inner_y) < 0.75)
    tiled = ground.wall * np.where(joint, 0.74, tint + shine)[..., None]
    return np.where((ground.y > FLOOR)[..., None], image, tiled)


def _table(ground: Ground) -> Floats:
    image = ground.room()
    board = np.floor((ground.y - FLOOR) / 0.085)
    grain = np.sin(60 * ground.y + 6 * np.sin(5 * ground.x + 2 * board)) * 0.05
    seam = ((ground.y - FLOOR) % 0.085 < 0.008) * 0.25
    planks = ground.floor * (0.95 + 0.05 * np.sin(board * 5) + grain - seam)[..., None]
    shift = float(ground.rng.uniform(-0.1, 0.1))
    pane = (np.abs(ground.x - 0.3 - shift - 0.25 * ground.y) < 0.17) & (ground.y < FLOOR - 0.08)
    bar = np.abs(ground.x - 0.3 - shift - 0.25 * ground.y) < 0.015
    window = (pane & ~bar)[..., None] * 0.22 * ground.accent
    return np.where((ground.y > FLOOR)[..., None], planks, image * 0.88 + window)


def _garden(ground: Ground) -> Floats:
    image = np.array([0.55, 0.68, 0.42]) * (1.15 - 0.5 * ground.y)[..., None]
    image = 0.55 * image + 0.45 * ground.wall
    for _ in range(26):
        cx, cy = ground.rng.uniform(0, 1), ground.rng.uniform(0, FLOOR)
        radius = ground.rng.uniform(0.03, 0.10)
        spot = np.clip((radius - np.hypot(ground.x - cx, ground.y - cy)) / 0.012, 0, 1)
        colour = ground.accent if ground.rng.random() < 0.5 else np.array([0.72, 0.86, 0.50])
        image = image + (colour - image) * (0.45 * spot)[..., None]
    stone = ground.floor * (0.95 + 0.03 * ground.rng.standard_normal((SIDE, SIDE)))[..., None]
    return np.where((ground.y > FLOOR)[..., None], stone, image)


def _tatami(ground: Ground) -> Floats:
    weave = 0.96 + 0.06 * np.sin(ground.y * 420) + 0.02 * np.sin(ground.x * 300)
    mat = (0.5 * ground.floor + 0.5 * np.array([0.78, 0.74, 0.50])) * weave[..., None]
    edge = np.abs(ground.x - 0.12 - 0.35 * (ground.y - FLOOR)) < 0.02
    mat = np.where(edge[..., None], ground.floor * 0.45, mat)
    paper = ground.wall * (1.08 - 0.12 * ground.y)[..., None]
    frame = ((ground.x * 4) % 1 < 0.05) | ((ground.y * 5) % 1 < 0.06)
    paper = np.where(frame[..., None], np.array([0.34, 0.24, 0.17]), paper)
    sun = np.hypot(ground.x - 0.72, ground.y - 0.26) < 0.16
    paper = np.where((sun & ~frame)[..., None], 0.4 * paper + 0.6 * ground.accent, paper)
    return np.where((ground.y > FLOOR)[..., None], mat, paper)


def _evening(ground: Ground) -> Floats:
    image = ground.room() * np.array([0.30, 0.28, 0.36])
    glow = np.exp(-(((ground.x - 0.5) / 0.34) ** 2 + ((ground.y - 0.48) / 0.34) ** 2))
    image = image + 0.62 * glow[..., None] * ground.accent * np.array([1.0, 0.82, 0.55])
    for number in range(9):
        cx, cy = 0.06 + 0.11 * number, 0.08 + 0.04 * np.sin(number * 1.1)
        bulb = np.exp(-((ground.x - cx) ** 2 + (ground.y - cy) ** 2) / 0.0004)
        image = image + bulb[..., None] * np.array([1.0, 0.86, 0.55])
    return image


_PAINTERS: dict[str, Callable[[Ground], Floats]] = {
    "kacheln": _tiles,
    "holztisch": _table,
    "garten": _garden,
    "tatami": _tatami,
    "abend": _evening,
}
SCENES = tuple(_PAINTERS)


def scene(style: str, palette: str, seed: int) -> Image.Image:
    """A backdrop, RGB, SIDE x SIDE."""
    ground = Ground(PALETTES[palette], np.random.default_rng(seed))
    painted = (_PAINTERS[style](ground).clip(0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(painted)


def stand(product: Image.Image, backdrop: Image.Image, share: float = 0.62) -> Image.Image:
    """The product (RGBA) on the floor of a backdrop, with its shadow; RGB."""
    side = backdrop.width
    scale = share * side / max(product.size)
    size = (max(1, round(product.width * scale)), max(1, round(product.height * scale)))
    thing = product.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
    left, foot = (side - size[0]) // 2, round(side * (FLOOR + 0.20))
    shadow = Image.new("L", backdrop.size)
    flat = thing.getchannel("A").resize((size[0], max(1, size[1] // 5)))
    shadow.paste(flat, (left + side // 40, foot - flat.height * 2 // 3))
    shadow = shadow.filter(ImageFilter.GaussianBlur(side / 45)).point(lambda value: value // 2)
    dark = Image.new("RGB", backdrop.size, (20, 16, 22))
    done = Image.composite(dark, backdrop, shadow)
    done.paste(thing, (left, foot - size[1]), thing)
    return done
