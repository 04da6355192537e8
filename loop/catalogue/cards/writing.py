"""Lines of letters, in the fonts that have them, measured and drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import ImageDraw, ImageFont

from adloom.loop.catalogue.cards.boxes import Box, around
from adloom.loop.catalogue.cards.palette import Colour
from adloom.loop.catalogue.lettering import (
    Face,
    draws_bold,
    face_for,
    faces,
    font_of,
    has_weights,
    letters_of,
    needed,
)
from adloom.models.titles.scripts import characters

_BOLD_STROKE = 0.018
"""Of a letter's size: what makes a face bold that has no bold weight, or none for these letters."""


@dataclass(frozen=True)
class Run:
    """Letters of one font; ``x`` is where they begin, in pixels from the line's left end."""

    text: str
    font: ImageFont.FreeTypeFont
    stroke: float
    x: int


@dataclass(frozen=True)
class Line:
    """A line of letters.

    Attributes:
        text: what is written.
        direction: "ltr" or "rtl".
        length: pixels from its left end to where a next letter would begin.
        ink: box of what is drawn, where its left end on the baseline is at 0, 0.
        missing: letters that no font has, which are left out.
    """

    text: str
    runs: tuple[Run, ...]
    direction: str
    length: float
    ink: Box
    missing: str

    def draw(self, draw: ImageDraw.ImageDraw, x: int, y: int, colour: Colour) -> None:
        """Draw it with its left end on the baseline at ``x``, ``y``."""
        for run in self.runs:
            draw.text(
                (x + run.x, y),
                run.text,
                font=run.font,
                fill=colour,
                anchor="ls",
                direction=self.direction,
                stroke_width=run.stroke,
            )


class Hand:
    """Writes a text, bold, in the face that has most of its letters, and the rest in others.

    A line from right to left stays in one face, since parts of it change places: what that face
    has not is left out.
    """

    def __init__(self, text: str, language: str, *, rtl: bool) -> None:
        self._face = face_for(text, language, bold=True)
        self._language = language
        self._direction = "rtl" if rtl else "ltr"
        self._others: dict[str, Face | None] = {}

    def line(self, text: str, pixels: float) -> Line:
        """``text``, or a part of it, in a size."""
        runs: list[Run] = []
        inks: list[Box] = []
        length = 0.0
        parts, missing = self._parts(text)
        for face, letters in parts:
            font, stroke = _pen(face, letters, pixels)
            run = Run(letters, font, stroke, round(length))
            left, top, right, bottom = font.getbbox(
                letters, direction=self._direction, stroke_width=stroke, anchor="ls"
            )
            if left < right and top < bottom:
                ink = Box(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))
                inks.append(ink.moved(run.x, 0))
            runs.append(run)
            length += font.getlength(letters, direction=self._direction)
        return Line(text, tuple(runs), self._direction, length, around(inks), missing)

    def length(self, text: str, pixels: float) -> float:
        """How long a line of ``text`` is, in pixels: cheaper than to set it out."""
        parts, _ = self._parts(text)
        return sum(
            _pen(face, letters, pixels)[0].getlength(letters, direction=self._direction)
            for face, letters in parts
        )

    def _parts(self, text: str) -> tuple[list[tuple[Face, str]], str]:
        """Faces with what each writes, in order, and what none can write."""
        parts: list[tuple[Face, str]] = []
        missing = []
        for cluster in characters(text):
            face = self._face_of(cluster)
            if face is None:
                missing.append(cluster)
            elif parts and parts[-1][0] == face:
                parts[-1] = face, parts[-1][1] + cluster
            else:
                parts.append((face, cluster))
        return parts, "".join(missing)

    def _face_of(self, cluster: str) -> Face | None:
        letters = needed(cluster)
        if letters <= letters_of(self._face):
            return self._face
        if self._direction == "rtl":
            return None
        if cluster not in self._others:
            candidates = faces(cluster, self._language, bold=True)
            found = (face for face in candidates if letters <= letters_of(face))
            self._others[cluster] = next(found, None)
        return self._others[cluster]


def _pen(face: Face, letters: str, pixels: float) -> tuple[ImageFont.FreeTypeFont, float]:
    """The font that writes letters bold, and its stroke."""
    bold = has_weights(face) and draws_bold(face, letters)
    return font_of(face, pixels, bold=bold), 0.0 if bold else pixels * _BOLD_STROKE
