"""Scenes of the night: starry sky, neon city, bokeh, and the trend scene vaporwave."""

from __future__ import annotations

import numpy as np

from adloom.loop.demo.shop.scenes.paint import Canvas, smooth


def starlight(c: Canvas) -> None:
    """A moon and large stars over dark hills."""
    c.gradient(c.deep("0a1030"), c.accent("4a4a9a"), 0.0, 0.75)
    for _ in range(14):
        c.disc(c.light("ffffff", 0.3), c.pick(0.02, 0.98), c.pick(0.03, 0.5), 0.012, 0.01)
    x, y = c.pick(0.15, 0.85), c.pick(0.14, 0.26)
    c.glow(c.light("fff4d0"), x, y, 0.16, 0.5)
    c.disc(c.light("fff8e0", 0.4), x, y, 0.085, 0.01)
    c.lay(c.deep("1c2350"), c.below(c.ridge(0.62, 0.03, 0.8), 0.01))
    c.lay(c.deep("0b0f26", 0.4), c.below(c.ridge(0.75, 0.012, 0.6), 0.012))
    c.pool_of_light(c.light("c8d0ff"), 0.4)


def neon_city(c: Canvas) -> None:
    """Towers with glowing signs, mirrored in a wet street."""
    c.gradient(c.deep("0c0a1e", 0.4), c.accent("5a2a7a"), 0.0, 0.75)
    ground = 0.72
    edge = -0.02
    while edge < 1.0:
        width, top = c.pick(0.12, 0.2), c.pick(0.08, 0.42)
        c.lay(c.deep("12101f", 0.35), c.box(edge, edge + width, top, ground, 0.006))
        neon = c.light("6ff3ff", 0.45) if c.rng.random() < 0.5 else c.accent("ff4fc0", 0.5)
        x = edge + width * c.pick(0.3, 0.7)
        if c.rng.random() < 0.75:
            c.glow(neon, x, top + 0.16, 0.055, 0.6)
            c.lay(neon, c.box(x - 0.017, x + 0.017, top + 0.06, top + 0.26, 0.008))
        edge += width + 0.02
    mirror = c.image[: int(len(c.image) * ground)][::-1]
    rows = len(c.image) - int(len(c.image) * ground)
    street = c.image.copy()
    street[-rows:] = mirror[np.linspace(0, len(mirror) - 1, rows).astype(int)] * 0.55
    c.lay(street, c.below(ground, 0.006))
    c.pool_of_light(c.accent("c08cff"), 0.35)


def bokeh(c: Canvas) -> None:
    """Big discs of light out of focus above a glossy table."""
    c.gradient(c.deep("20122c"), c.deep("3a2030"), 0.0, 0.8)
    for k in range(13):
        tone = c.light("ffdf9a") if k % 2 else c.accent("ff9a5a")
        radius = c.pick(0.05, 0.115)
        spot = c.circle(c.pick(0.0, 1.0), c.pick(0.02, 0.56), radius, 0.012)
        c.lay(tone, spot * c.pick(0.35, 0.8))
    c.lay(c.deep("150c14", 0.4), c.below(0.72, 0.02))
    c.lay(c.accent("b06a3a"), 0.45 * c.box(-1, 2, 0.71, 0.75, 0.02))
    c.pool_of_light(c.light("ffd9a0"), 0.55)


def vaporwave(c: Canvas) -> None:
    """A striped sun on the horizon of a glowing grid."""
    c.gradient(c.deep("2a0a5a", 0.35), c.accent("ff5fa8", 0.35), 0.0, 0.6)
    x, y, radius = 0.5 + c.pick(-0.1, 0.1), 0.38, c.pick(0.22, 0.26)
    stripes = 1 - smooth(0.55, 0.75, ((c.v - y) * 16) % 1) * (c.v > y - 0.02)
    c.lay(c.light("ffd54a", 0.35), c.circle(x, y, radius, 0.01) * stripes.astype(np.float32))
    ground = c.below(0.60, 0.006)
    c.lay(c.deep("1a0640", 0.3), ground)
    depth = np.maximum(c.v - 0.56, 0.02)
    across = np.abs(((c.u - 0.5) / depth * 0.42) % 1 - 0.5)
    down = np.abs((0.16 / depth + c.pick(0, 1)) % 1 - 0.5)
    lines = smooth(0.40, 0.48, np.maximum(across, down).astype(np.float32))
    c.lay(c.accent("4ff0ff", 0.35), ground * lines * 0.9)
    c.glow(c.accent("ff9ad0", 0.4), 0.5, 0.6, 0.14, 0.4)
