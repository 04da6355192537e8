"""Things for the table and the room, drawn: cups, bowls, tea, lamps, cloths."""

from __future__ import annotations

import numpy as np

from tests.shops.maker.cookware import BEECH, DARK, STEEL
from tests.shops.maker.shading import Colour, Drawing, arc, bands


def mug(body: Colour, second: Colour | None = None) -> Drawing:
    drawing = Drawing()
    drawing.tube(arc((0.68, 0.52), (0.15, 0.17), -80, 80), 0.03, body)
    pattern = bands(drawing, [body, second], 0.09) if second else body
    drawing.lathe(0.46, [(0.28, 0.24), (0.70, 0.235), (0.77, 0.20)], pattern, gloss=0.5)
    drawing.disc((0.46, 0.28), 0.24, body)
    drawing.disc((0.46, 0.286), 0.215, (94, 60, 40), shade=-0.4)
    return drawing


def tea_bowl(body: Colour, glaze: Colour, tea: Colour) -> Drawing:
    drawing = Drawing()
    shape = [(0.32, 0.33), (0.50, 0.32), (0.66, 0.24), (0.72, 0.13), (0.77, 0.13)]
    drawing.lathe(0.5, shape, body, gloss=0.3)
    edge = 0.42 + 0.035 * np.sin(drawing.x * 24) + 0.02 * np.sin(drawing.x * 53)
    pattern = np.where((drawing.y < edge)[..., None], np.array(glaze), np.array(body)) / 255
    drawing.lathe(0.5, shape, pattern, gloss=0.4)
    drawing.disc((0.5, 0.32), 0.33, glaze)
    drawing.disc((0.5, 0.33), 0.30, tea, shade=-0.35)
    return drawing


def side_handle_teapot(body: Colour) -> Drawing:
    drawing = Drawing()
    drawing.tube([(0.62, 0.50), (0.90, 0.38)], 0.035, body, end_radius=0.055)
    drawing.tube([(0.30, 0.56), (0.17, 0.44), (0.11, 0.40)], 0.055, body, end_radius=0.028)
    shape = [(0.38, 0.14), (0.44, 0.24), (0.58, 0.28), (0.70, 0.24), (0.76, 0.17)]
    drawing.lathe(0.45, shape, body, gloss=0.25)
    drawing.lathe(0.45, [(0.345, 0.04), (0.38, 0.15)], body)
    drawing.lathe(0.45, [(0.29, 0.025), (0.31, 0.035), (0.35, 0.02)], body)
    return drawing


def bento(body: Colour, band: Colour) -> Drawing:
    drawing = Drawing()
    for top, colour in ((0.56, body), (0.40, body)):
        drawing.plate(
            [(0.14, top), (0.86, top), (0.84, top + 0.19), (0.16, top + 0.19)],
            colour,
            rounding=0.03,
        )
    drawing.plate([(0.13, 0.33), (0.87, 0.33), (0.87, 0.43), (0.13, 0.43)], body, rounding=0.025)
    drawing.plate([(0.20, 0.27), (0.80, 0.27), (0.87, 0.36), (0.13, 0.36)], body, light=1.2)
    drawing.plate([(0.44, 0.26), (0.55, 0.26), (0.56, 0.77), (0.43, 0.77)], band, rounding=0.008)
    return drawing


def chopsticks(wood_colour: Colour, tip: Colour) -> Drawing:
    drawing = Drawing()
    for shift in (0.0, 0.09):
        start, end = (0.10, 0.30 + shift), (0.92, 0.66 + shift * 0.5)
        drawing.tube([start, end], 0.024, wood_colour, end_radius=0.011)
        drawing.tube([start, (0.26, 0.37 + shift * 0.9)], 0.0245, tip, end_radius=0.0225)
    drawing.tube([(0.70, 0.52), (0.62, 0.78)], 0.035, (70, 98, 140))
    for shift in (0.0, 0.09):
        middle = (0.52, 0.484 + shift * 0.77)
        drawing.tube([middle, (0.92, 0.66 + shift * 0.5)], 0.0182, wood_colour, end_radius=0.011)
    return drawing


def sake_set(body: Colour) -> Drawing:
    drawing = Drawing()
    shape = [(0.18, 0.07), (0.26, 0.045), (0.38, 0.06), (0.52, 0.15), (0.74, 0.16), (0.80, 0.13)]
    drawing.lathe(0.36, shape, body, gloss=0.5)
    drawing.disc((0.36, 0.18), 0.07, body)
    drawing.disc((0.36, 0.182), 0.05, DARK)
    for middle, foot in ((0.64, 0.78), (0.84, 0.84)):
        drawing.lathe(middle, [(foot - 0.14, 0.09), (foot - 0.03, 0.07), (foot, 0.045)], body)
        drawing.disc((middle, foot - 0.14), 0.09, body)
        drawing.disc((middle, foot - 0.137), 0.075, (232, 236, 232), shade=-0.2)
    return drawing


def nested_bowls(colours: tuple[Colour, Colour, Colour]) -> Drawing:
    drawing = Drawing()
    for number, colour in enumerate(colours):
        rim, radius = 0.50 - 0.10 * number, 0.40 - 0.075 * number
        shape = [(rim, radius), (rim + 0.14, radius * 0.85), (rim + 0.24, radius * 0.5)]
        drawing.disc((0.5, rim), radius, colour, shade=-0.5)
        drawing.lathe(0.5, shape, colour, gloss=0.45)
        if number + 1 < len(colours):
            drawing.disc((0.5, rim), radius, colour)
        else:
            drawing.disc((0.5, rim), radius, colour)
            drawing.disc((0.5, rim + 0.006), radius * 0.93, colour, shade=0.5)
    return drawing


def lamp(shade: Colour, foot: Colour) -> Drawing:
    drawing = Drawing()
    drawing.lathe(0.5, [(0.84, 0.15), (0.87, 0.17)], foot)
    drawing.disc((0.5, 0.84), 0.155, foot)
    drawing.tube([(0.5, 0.45), (0.5, 0.84)], 0.014, foot)
    drawing.lathe(0.5, [(0.12, 0.15), (0.46, 0.27)], shade, gloss=0.05)
    drawing.disc((0.5, 0.12), 0.15, (255, 240, 200))
    return drawing


def towel(ground: Colour, stripe: Colour) -> Drawing:
    drawing = Drawing()
    weave = bands(drawing, [ground, ground, ground, stripe, ground, stripe], 0.032, axis="x")
    for number in range(3):
        top = 0.58 - 0.12 * number
        edge = [(0.14, top), (0.84, top), (0.84, top + 0.15), (0.14, top + 0.15)]
        drawing.plate(edge, weave, rounding=0.03, light=0.86 + 0.04 * number)
    drawing.plate([(0.22, 0.22), (0.78, 0.22), (0.85, 0.36), (0.13, 0.36)], weave, rounding=0.012)
    return drawing


def plate(colour: Colour, rim: Colour) -> Drawing:
    drawing = Drawing()
    drawing.disc((0.5, 0.51), 0.42, (170, 172, 178), tilt=0.55)
    drawing.disc((0.5, 0.49), 0.42, rim, tilt=0.55, shade=0.12)
    drawing.disc((0.5, 0.49), 0.385, colour, tilt=0.55, shade=0.16)
    drawing.disc((0.5, 0.495), 0.26, colour, tilt=0.55, shade=-0.12)
    return drawing


def espresso_maker() -> Drawing:
    drawing = Drawing()
    drawing.tube([(0.60, 0.30), (0.80, 0.28), (0.82, 0.52)], 0.032, DARK)
    drawing.tube([(0.40, 0.30), (0.27, 0.25)], 0.05, STEEL, end_radius=0.03)
    drawing.lathe(0.5, [(0.58, 0.14), (0.84, 0.20), (0.88, 0.19)], STEEL, gloss=0.8)
    drawing.lathe(0.5, [(0.54, 0.155), (0.58, 0.155)], (150, 154, 162), gloss=0.8)
    drawing.lathe(0.5, [(0.25, 0.18), (0.55, 0.13)], STEEL, gloss=0.8)
    drawing.lathe(0.5, [(0.18, 0.03), (0.245, 0.18)], STEEL, gloss=0.6)
    drawing.lathe(0.5, [(0.12, 0.015), (0.15, 0.03), (0.18, 0.02)], DARK)
    return drawing


def tea_caddy(paper: Colour, pattern: Colour) -> Drawing:
    drawing = Drawing()
    waves = np.hypot((drawing.x * 14) % 1 - 0.5, (drawing.y * 14) % 1 - 1)
    ring = ((waves * 6) % 2 < 1)[..., None]
    printed = np.where(ring, np.array(paper), np.array(pattern)) / 255
    drawing.lathe(0.5, [(0.24, 0.20), (0.82, 0.20)], printed, gloss=0.2)
    drawing.lathe(0.5, [(0.18, 0.205), (0.32, 0.205)], BEECH, gloss=0.25)
    drawing.disc((0.5, 0.18), 0.205, BEECH)
    return drawing
