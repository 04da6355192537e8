"""Indoor scenes: studio, podium, marble, wood, kitchen, velvet, brick."""

from __future__ import annotations

import numpy as np

from adloom.loop.demo.shop.scenes.paint import Canvas, smooth


def studio(c: Canvas) -> None:
    """Seamless paper with one round spot of light."""
    c.gradient(c.accent("9aa7b8"), c.deep("5d6878"), 0.1, 1.0)
    x = c.pick(0.35, 0.65)
    c.glow(c.light("ffffff"), x, c.pick(0.34, 0.46), 0.24, 0.95)
    c.lay(c.light("e8ecf2"), 0.55 * c.below(0.74, 0.16))
    c.pool_of_light(c.light("ffffff"), 0.5)
    c.vignette(0.35)


def podium(c: Canvas) -> None:
    """A round stage before a great disc on the wall."""
    c.gradient(c.accent("f2c6b8"), c.light("f7e3da"), 0.0, 0.7)
    x = 0.5 + c.pick(-0.12, 0.12)
    c.disc(c.light("fff6ee"), x, c.pick(0.36, 0.44), c.pick(0.29, 0.36), 0.012)
    c.lay(c.deep("d9a090"), 0.9 * c.below(0.72))
    top = ((c.u - 0.5) / 0.40) ** 2 + ((c.v - 0.83) / 0.075) ** 2
    side = c.box(0.10, 0.90, 0.83, 1.2, 0.01)
    shade = (0.75 + 0.25 * np.cos((c.u - 0.38) * 4))[..., None]
    c.lay((c.accent("e9b5a4") * shade).astype(np.float32), side)
    c.lay(c.light("fff3ea"), 1 - smooth(0.95, 1.05, top.astype(np.float32)))
    c.vignette(0.12)


def marble(c: Canvas) -> None:
    """A bright marble slab before a pale wall with a vase of light."""
    c.gradient(c.light("dfe3e8"), c.accent("c3c9d1"), 0.0, 0.7)
    c.glow(c.light("ffffff"), c.pick(0.15, 0.85), 0.15, 0.3, 0.8)
    stone = c.light("f7f7f8", 0.3)
    veins = np.abs(np.sin(5 * (c.u * c.pick(0.7, 1.4) + c.v * 1.5) + 2.6 * c.waves(1.1, 2)))
    line = 1 - smooth(0.0, 0.34, veins.astype(np.float32))
    slab = c.below(0.64, 0.008)
    c.lay(stone, slab)
    c.lay(c.deep("6d7480", 0.45), slab * line * 0.75)
    c.lay(c.deep("8a8f99"), 0.5 * c.box(-1, 2, 0.635, 0.66, 0.01))
    c.pool_of_light(c.light("ffffff"), 0.25)


def wood(c: Canvas) -> None:
    """A planked table in a sunlit room."""
    c.gradient(c.light("e6d3b8"), c.accent("c79a6b"), 0.0, 0.66)
    x = c.pick(0.05, 0.6)
    for k in range(2):
        c.lay(c.light("fff3d6"), 0.75 * c.box(x + 0.24 * k, x + 0.24 * k + 0.18, 0.06, 0.46, 0.03))
    table = c.below(0.66, 0.01)
    depth = (c.v - 0.5) / 0.5
    depth[depth == 0] = 1e-6  # the horizon of an odd size; the table begins below it
    plank = np.floor((c.u - 0.5) / depth * 2.6 + c.pick(0, 1))
    tone = 0.72 + 0.28 * np.abs(np.sin(plank * 12.9898 + c.pick(0, 6)))
    grain = 1 + 0.06 * np.sin(40 * (c.u - 0.5) / depth + 3 * c.waves(1.5, 2))
    gap = np.abs(((c.u - 0.5) / depth * 2.6) % 1 - 0.5)
    board = c.accent("b0713a", 0.4) * (tone * grain)[..., None]
    c.lay(board.astype(np.float32), table)
    c.lay(c.deep("4a2a14"), table * smooth(0.46, 0.5, gap.astype(np.float32)) * 0.35)
    c.pool_of_light(c.light("ffe2b0"), 0.3)
    c.vignette(0.2)


def kitchen(c: Canvas) -> None:
    """Square tiles above a plain worktop."""
    tile = c.pick(0.15, 0.19)
    column, row = (c.u + c.pick(0, 1)) / tile, c.v / tile
    edge = np.maximum(np.abs(column % 1 - 0.5), np.abs(row % 1 - 0.5)).astype(np.float32)
    tone = 0.88 + 0.12 * np.sin(np.floor(column) * 7.1 + np.floor(row) * 3.7)
    c.image = (c.accent("8fc7c0") * tone[..., None]).astype(np.float32)
    c.lay(c.light("ffffff"), smooth(0.40, 0.47, edge))
    c.glow(c.light("ffffff"), c.pick(0.1, 0.9), 0.05, 0.35, 0.55)
    c.lay(c.light("f4ece2"), c.below(0.70, 0.008))
    c.lay(c.deep("7d8a86"), 0.55 * c.box(-1, 2, 0.69, 0.725, 0.012))
    c.pool_of_light(c.light("ffffff"), 0.25)


def velvet(c: Canvas) -> None:
    """Heavy curtains over a stage."""
    folds = c.pick(5.0, 7.0)
    phase = c.pick(0, 6)
    curve = np.sin(2 * np.pi * folds * c.u + phase + 0.5 * np.sin(3 * c.v + phase))
    fold = (0.5 + 0.5 * curve)[..., None].astype(np.float32)
    c.image = c.deep("3d0614") * (1 - fold) + c.accent("c4183c") * fold
    c.glow(c.light("ffd9c0"), c.pick(0.35, 0.65), 0.1, 0.3, 0.35)
    c.lay(c.deep("2a1712"), c.below(0.72, 0.012))
    c.lay(c.light("d7a46a"), 0.9 * c.box(-1, 2, 0.705, 0.735, 0.01))
    c.pool_of_light(c.light("ffe6c4"), 0.75)
    c.vignette(0.4)


def brick(c: Canvas) -> None:
    """A loft's brick wall, a lamp, a concrete floor."""
    height, width = 0.10, 0.26
    row = np.floor(c.v / height)
    column = (c.u + c.pick(0, 1)) / width + 0.5 * (row % 2)
    near_side = np.abs(column % 1 - 0.5) * width - width / 2 + 0.05
    joint = np.maximum(near_side / 0.05 * 0.5, np.abs((c.v / height) % 1 - 0.5))
    tone = 0.8 + 0.2 * np.sin(np.floor(column) * 5.3 + row * 9.7)
    c.image = (c.accent("a8482e", 0.42) * tone[..., None]).astype(np.float32)
    c.lay(c.light("c9b8a8", 0.4), smooth(0.36, 0.46, joint.astype(np.float32)) * 0.75)
    c.glow(c.light("ffdca0"), c.pick(0.2, 0.8), 0.02, 0.26, 0.6)
    c.lay(c.deep("6b6662"), c.below(0.74, 0.01))
    c.pool_of_light(c.light("ffe8c8"), 0.3)
    c.vignette(0.4)
