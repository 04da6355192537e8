"""Things for the kitchen, drawn: pots, kettles, boards, knives, mills."""

from __future__ import annotations

from tests.shops.maker.shading import Colour, Drawing, arc, round_hole, wood

STEEL: Colour = (205, 208, 214)
DARK: Colour = (52, 54, 60)
BEECH: Colour = (214, 164, 108)
OAK: Colour = (176, 122, 70)


def pot(body: Colour, lid: Colour = STEEL) -> Drawing:
    drawing = Drawing()
    for left, right in ((0.10, 0.22), (0.78, 0.90)):
        drawing.tube(arc(((left + right) / 2, 0.50), (0.10, 0.05), 0, 360), 0.018, DARK)
    drawing.lathe(0.5, [(0.42, 0.33), (0.72, 0.33), (0.78, 0.30)], body, gloss=0.5)
    drawing.disc((0.5, 0.42), 0.345, STEEL, shade=0.25)
    drawing.lathe(0.5, [(0.325, 0.05), (0.36, 0.20), (0.41, 0.345)], lid, gloss=0.6)
    drawing.lathe(0.5, [(0.25, 0.02), (0.27, 0.055), (0.30, 0.05), (0.33, 0.025)], DARK)
    return drawing


def kettle(body: Colour) -> Drawing:
    drawing = Drawing()
    drawing.tube([(0.32, 0.52), (0.20, 0.40), (0.16, 0.30)], 0.055, body, end_radius=0.025)
    drawing.tube(arc((0.66, 0.48), (0.20, 0.24), -95, 80), 0.03, DARK)
    drawing.lathe(
        0.5, [(0.24, 0.13), (0.30, 0.17), (0.60, 0.24), (0.74, 0.25), (0.78, 0.23)], body, gloss=0.6
    )
    drawing.lathe(0.5, [(0.79, 0.25), (0.82, 0.25)], DARK)
    drawing.lathe(0.5, [(0.20, 0.06), (0.24, 0.135)], body)
    drawing.lathe(0.5, [(0.14, 0.02), (0.16, 0.035), (0.20, 0.025)], DARK)
    return drawing


def mills() -> Drawing:
    drawing = Drawing()
    for middle, colour, dot in ((0.33, BEECH, (240, 240, 240)), (0.66, (92, 58, 36), DARK)):
        shoulder, foot = [(0.30, 0.10), (0.36, 0.115), (0.44, 0.07)], [(0.80, 0.13), (0.85, 0.13)]
        drawing.lathe(middle, [*shoulder, (0.60, 0.075), *foot], colour, gloss=0.25)
        drawing.lathe(middle, [(0.30, 0.112), (0.32, 0.112)], STEEL, gloss=0.7)
        drawing.lathe(middle, [(0.18, 0.03), (0.22, 0.09), (0.29, 0.11)], colour, gloss=0.25)
        drawing.lathe(middle, [(0.13, 0.012), (0.15, 0.03), (0.18, 0.015)], dot, gloss=0.8)
    return drawing


def board(colour: Colour = BEECH, seed: int = 5) -> Drawing:
    drawing = Drawing()
    outline = [(0.10, 0.30), (0.76, 0.22), (0.90, 0.66), (0.18, 0.80)]
    lower = [(x + 0.01, y + 0.03) for x, y in outline]
    dark: Colour = (colour[0] * 2 // 3, colour[1] * 2 // 3, colour[2] * 2 // 3)
    drawing.plate(lower, dark, rounding=0.025)
    hole = [round_hole((0.74, 0.31), 0.03)]
    drawing.plate(outline, wood(drawing, colour, seed), rounding=0.025, holes=hole)
    return drawing


def knife_block() -> Drawing:
    drawing = Drawing()
    drawing.plate([(0.24, 0.46), (0.42, 0.27), (0.74, 0.34), (0.56, 0.56)], (126, 84, 46))
    for number in range(6):
        x, y = 0.40 + 0.10 * (number % 3), 0.43 - 0.09 * (number // 3) + 0.02 * (number % 3)
        x += 0.05 * (number // 3)
        drawing.tube([(x, y), (x - 0.08, y - 0.20)], 0.027, DARK)
        drawing.tube([(x - 0.03, y - 0.07), (x - 0.028, y - 0.065)], 0.009, STEEL, gloss=0.9)
    front = [(0.24, 0.46), (0.56, 0.56), (0.62, 0.88), (0.34, 0.80)]
    side = [(0.56, 0.56), (0.74, 0.34), (0.80, 0.70), (0.62, 0.88)]
    drawing.plate(front, wood(drawing, OAK, 2))
    drawing.plate(side, wood(drawing, OAK, 3), light=0.72)
    return drawing


def grater() -> Drawing:
    drawing = Drawing()
    drawing.tube(arc((0.5, 0.26), (0.13, 0.13), 180, 360), 0.035, (196, 52, 44))
    holes = [
        round_hole((0.37 + 0.065 * column + 0.01 * (row % 2), 0.40 + 0.055 * row), 0.014)
        for row in range(8)
        for column in range(5)
    ]
    drawing.plate([(0.34, 0.27), (0.66, 0.27), (0.74, 0.88), (0.26, 0.88)], (120, 124, 132))
    drawing.plate(
        [(0.34, 0.27), (0.66, 0.27), (0.74, 0.88), (0.26, 0.88)], STEEL, fall=0.4, holes=holes
    )
    drawing.plate([(0.66, 0.27), (0.72, 0.24), (0.82, 0.82), (0.74, 0.88)], STEEL, light=0.7)
    return drawing


def cruets() -> Drawing:
    drawing = Drawing()
    for middle, glass, level in ((0.34, (104, 140, 52), 0.52), (0.67, (150, 62, 34), 0.56)):
        drawing.lathe(
            middle,
            [(0.24, 0.035), (0.38, 0.04), (0.48, 0.13), (0.84, 0.14), (0.87, 0.12)],
            (214, 226, 220),
            gloss=0.8,
            opacity=0.92,
        )
        drawing.lathe(middle, [(level, 0.115), (0.83, 0.12), (0.85, 0.10)], glass, gloss=0.5)
        drawing.lathe(middle, [(0.13, 0.02), (0.15, 0.04), (0.25, 0.035)], BEECH)
    return drawing


def rolling_pin() -> Drawing:
    drawing = Drawing()
    drawing.tube([(0.06, 0.72), (0.94, 0.28)], 0.03, (140, 84, 44))
    drawing.tube([(0.24, 0.63), (0.76, 0.37)], 0.085, BEECH, gloss=0.2)
    return drawing


def whisk(handle: Colour) -> Drawing:
    drawing = Drawing()
    for width in (0.17, 0.11, 0.05):
        drawing.tube(arc((0.5, 0.30), (width, 0.20), 100, 440), 0.008, STEEL, gloss=0.9)
    drawing.tube([(0.5, 0.50), (0.5, 0.90)], 0.032, handle, end_radius=0.04)
    drawing.tube([(0.5, 0.50), (0.5, 0.53)], 0.036, STEEL, gloss=0.8)
    return drawing


def flask(body: Colour) -> Drawing:
    drawing = Drawing()
    drawing.lathe(0.5, [(0.26, 0.11), (0.32, 0.14), (0.86, 0.145), (0.89, 0.13)], body, gloss=0.5)
    drawing.lathe(0.5, [(0.25, 0.115), (0.28, 0.125)], STEEL, gloss=0.8)
    drawing.lathe(0.5, [(0.10, 0.085), (0.12, 0.10), (0.25, 0.11)], DARK)
    return drawing


def storage_jar(lid: Colour = BEECH) -> Drawing:
    drawing = Drawing()
    drawing.lathe(0.5, [(0.28, 0.21), (0.80, 0.22), (0.84, 0.20)], (206, 222, 226), gloss=0.9)
    drawing.lathe(0.5, [(0.48, 0.19), (0.78, 0.195), (0.82, 0.18)], (206, 150, 84), gloss=0.3)
    drawing.lathe(0.5, [(0.20, 0.20), (0.22, 0.225), (0.28, 0.225)], lid, gloss=0.2)
    drawing.disc((0.5, 0.205), 0.215, lid)
    return drawing
