"""Outdoor scenes by day: beach, forest, mountains, desert, meadow."""

from __future__ import annotations

import numpy as np

from adloom.loop.demo.shop.scenes.paint import Canvas, smooth


def beach(c: Canvas) -> None:
    """Sun over the sea, sand in front."""
    sea, sand = c.pick(0.42, 0.50), c.pick(0.66, 0.70)
    c.gradient(c.accent("6cb8ee"), c.light("fdeed2"), 0.0, sea)
    x = c.pick(0.2, 0.8)
    c.glow(c.light("fff6d8"), x, sea - 0.14, 0.16, 0.9)
    c.disc(c.light("ffffff", 0.3), x, sea - 0.14, 0.07, 0.012)
    depth = smooth(sea, sand, c.v)[..., None]
    water = c.deep("1f86b4") * (1 - depth) + c.accent("6fd0cf") * depth
    c.lay(water, c.below(sea, 0.008))
    shore = sand + 0.018 * np.sin(2 * np.pi * (1.3 * c.u + c.pick(0, 1)))
    c.lay(c.light("ffffff", 0.25), c.below(shore - 0.03, 0.012))
    c.lay(c.light("efd7a4", 0.4), c.below(shore, 0.012))
    c.lay(c.deep("c9a566", 0.3), 0.35 * c.below(0.9, 0.15))
    c.pool_of_light(c.light("fff2cc"), 0.2)


def forest(c: Canvas) -> None:
    """Tall trunks in misty light."""
    c.gradient(c.light("cfe3b4"), c.accent("6d9a55"), 0.0, 0.75)
    c.glow(c.light("fbffe0"), c.pick(0.3, 0.7), 0.25, 0.25, 0.8)
    for count, width, tone in ((6, 0.025, "7f9a6a"), (4, 0.05, "3c5230")):
        for k in range(count):
            x = (k + c.pick(0.15, 0.85)) / count
            if width > 0.03 and 0.3 < x < 0.7:
                continue
            c.lay(c.deep(tone), 0.9 * c.box(x - width, x + width, -1, 0.78, 0.02))
    leaves = smooth(0.1, 0.7, c.waves(3.2, 2) - 3.5 * (c.v - 0.12))
    c.lay(c.deep("2f5a2a"), 0.85 * leaves)
    c.lay(c.deep("3f5f2b"), c.below(0.72, 0.05))
    c.lay(c.accent("7f9f4a"), 0.6 * c.below(0.80, 0.08))
    c.pool_of_light(c.light("f2ffc8"), 0.35)
    c.vignette(0.25)


def mountains(c: Canvas) -> None:
    """Snowy peaks behind a snowfield."""
    c.gradient(c.accent("7fb2e6"), c.light("eef5fb"), 0.0, 0.55)
    centre = c.pick(0.2, 0.8)
    for x, peak, slope, tone in (
        (centre + 0.42, 0.30, 1.0, "8ea6c2"),
        (centre - 0.42, 0.28, 1.05, "8ea6c2"),
        (centre, 0.14, 1.25, "5f7694"),
    ):
        jag = 0.03 * np.sin(19 * c.u + 6 * x) + 0.015 * np.sin(41 * c.u + x)
        outline = peak + slope * np.abs(c.u - x) + jag
        c.lay(c.deep(tone, 0.45), c.below(outline, 0.01))
        cap = c.below(outline, 0.01) * (1 - c.below(peak + 0.15 + 2 * jag, 0.015))
        c.lay(c.light("ffffff", 0.2), cap)
    snow = c.ridge(0.68, 0.014, 1.1)
    c.lay(c.light("fafdff", 0.25), c.below(snow, 0.015))
    c.lay(c.accent("bcd2ea"), 0.3 * c.below(0.86, 0.14))


def desert(c: Canvas) -> None:
    """Dunes under a great low sun."""
    c.gradient(c.deep("d9713c", 0.45), c.light("ffd9a0"), 0.0, 0.55)
    c.disc(c.light("fff0c0", 0.35), c.pick(0.25, 0.75), c.pick(0.28, 0.38), 0.14, 0.012)
    for height, relief, tone in ((0.50, 0.035, "d58a4e"), (0.60, 0.05, "c2703a")):
        crest = c.ridge(height, relief, c.pick(0.5, 0.9))
        c.lay(c.accent(tone, 0.4), c.below(crest, 0.008))
        c.lay(c.deep("7c3f20", 0.5), 0.55 * c.below(crest + 0.05, 0.05))
    front = c.ridge(0.72, 0.02, 0.6)
    c.lay(c.light("eeb472", 0.4), c.below(front, 0.008))
    c.pool_of_light(c.light("ffe2ae"), 0.25)


def meadow(c: Canvas) -> None:
    """A green hill strewn with blossoms out of focus."""
    c.gradient(c.accent("8fd0f5"), c.light("f4fbff"), 0.0, 0.5)
    for _ in range(2):
        x, y = c.pick(0.1, 0.9), c.pick(0.08, 0.25)
        for k in (-1, 0, 1):
            c.disc(c.light("ffffff", 0.15), x + 0.08 * k, y + 0.012 * abs(k), 0.065, 0.03)
    c.lay(c.accent("7cc05a", 0.4), c.below(c.ridge(0.48, 0.03, 0.6), 0.012))
    c.lay(c.deep("4f9a3c", 0.4), c.below(c.ridge(0.66, 0.015, 0.8), 0.02))
    for k in range(16):
        x, y = (k + c.pick(0, 1)) / 16, c.pick(0.54, 0.97)
        if 0.28 < x < 0.72 and y > 0.8:
            continue
        tone = c.light("ffffff") if k % 2 else c.accent("ff6f9a", 0.7)
        c.disc(tone, x, y, 0.018 + 0.045 * (y - 0.5), 0.012)
    c.pool_of_light(c.light("fbffd8"), 0.2)
