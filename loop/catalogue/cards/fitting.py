"""A text in lines that fit a room: as large as may be, then smaller, then cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adloom.loop.catalogue.cards.breaks import pieces, syllables
from adloom.loop.catalogue.cards.writing import Hand, Line
from adloom.models.titles.scripts import characters, tidied

_MEASURED_AT = 100.0  # pixels: how wide a piece is goes with its size
_SMALLER = 0.93
_LEADING = 1.22  # from baseline to baseline, of a letter's size
_LEAST_GAP = 0.10  # between the ink of two lines
_MOST_CHARACTERS = 240
_ELLIPSIS = "…"
_NOT_BEFORE_ELLIPSIS = " ,.:;!?،؛。，、：；！？-–—"


@dataclass(frozen=True)
class Block:
    """Lines one under the other.

    Attributes:
        lines: each with its baseline, in pixels below the block's top.
        width, height: of all that is drawn, pixels.
        pixels: size of the letters.
        missing: letters that no font has; a line of nothing else is not there.
    """

    lines: tuple[tuple[Line, int], ...]
    width: int
    height: int
    pixels: float
    missing: str = ""


@dataclass(frozen=True)
class _Piece:
    """Part of a text that no line ends within; widths for letters of `_MEASURED_AT`.

    ``end`` is what a line that ends after it has there: a hyphen within a word. ``seen`` is as long
    as it is then, ``advance`` as it is before another piece.
    """

    text: str
    advance: float
    seen: float
    end: str = ""


def fit(
    text: str,
    language: str,
    room: tuple[int, int],
    *,
    sizes: tuple[float, float],
    most_lines: int = 3,
    rtl: bool = False,
) -> Block:
    """Set a text.

    Args:
        text: on one line; white space is one space.
        language: BCP 47 tag, for where lines may end.
        room: width and height, pixels.
        sizes: the largest and the smallest size of letters, pixels.
        most_lines: what does not fit into them in the smallest size is cut, with an ellipsis.

    Returns:
        No lines where there is nothing to see.
    """
    shown = _shortened(tidied(text))
    hand = Hand(shown, language, rtl=rtl)
    parts = _measured(hand, [(part, "") for part in pieces(shown, language)]) if shown else []
    width, height = room
    for pixels in _steps(*sizes):
        rows = _even_rows(parts, width * _MEASURED_AT / pixels)
        if rows is not None and len(rows) <= most_lines:
            block = _block([hand.line(row, pixels) for row in rows], pixels)
            if block.width <= width and block.height <= height:
                return block
    return _cut(hand, parts, language, room, sizes[1], most_lines)


def one_line(text: str, language: str, pixels: float, *, rtl: bool) -> Block:
    """A text on one line, however long that is; no lines where there is nothing to see."""
    shown = _shortened(tidied(text))
    return _block([Hand(shown, language, rtl=rtl).line(shown, pixels)], pixels)


def _shortened(text: str) -> str:
    whole = characters(text)
    if len(whole) <= _MOST_CHARACTERS:
        return text
    return "".join(whole[:_MOST_CHARACTERS]).rstrip(_NOT_BEFORE_ELLIPSIS) + _ELLIPSIS


def _measured(hand: Hand, parts: Sequence[tuple[str, str]]) -> list[_Piece]:
    """Texts and what a line has at its end after each; what repeats is measured once."""
    lengths: dict[str, float] = {}
    measured = []
    for text, end in parts:
        bare = text.rstrip()
        for one in (bare, end, " "):
            if one not in lengths:
                lengths[one] = hand.length(one, _MEASURED_AT)
        spaces = lengths[" "] * (len(text) - len(bare))
        seen = lengths[bare] + lengths[end]
        measured.append(_Piece(text, lengths[bare] + spaces, seen, end))
    return measured


def _steps(largest: float, smallest: float) -> Iterator[float]:
    pixels = largest
    while pixels > smallest:
        yield pixels
        pixels *= _SMALLER
    yield smallest


def _even_rows(parts: Sequence[_Piece], room: float) -> list[str] | None:
    """As few rows as fit, of even length; None where a piece is too long for a row."""
    rows = _rows(parts, room)
    if rows is None or len(rows) < 2:
        return rows
    narrow, wide = max(part.seen for part in parts), room
    for _ in range(7):
        middle = (narrow + wide) / 2
        narrower = _rows(parts, middle)
        if narrower is None or len(narrower) > len(rows):
            narrow = middle
        else:
            rows, wide = narrower, middle
    return rows


def _rows(parts: Sequence[_Piece], room: float) -> list[str] | None:
    rows: list[str] = []
    row, end, length = "", "", 0.0
    for part in parts:
        if part.seen > room:
            return None
        if row and length + part.seen > room:
            rows.append(row.rstrip() + end)
            row, length = "", 0.0
        row += part.text
        end = part.end
        length += part.advance
    return [*rows, row.rstrip() + end] if row.strip() else rows


def _cut(
    hand: Hand,
    parts: Sequence[_Piece],
    language: str,
    room: tuple[int, int],
    pixels: float,
    most_lines: int,
) -> Block:
    """As many rows as fit in that size, words parted where they are longer than one."""
    width, height = room
    within = width * _MEASURED_AT / pixels
    fine = [piece for part in parts for piece in _parted(hand, part, language, within)]
    rows = _rows([part for part in fine if part.seen <= within], within) or []
    for most in range(min(most_lines, len(rows)), 0, -1):
        kept = rows[:most]
        if most < len(rows):
            kept[-1] = _ended(hand, kept[-1], width, pixels)
        lines = [_within(hand, row, width, pixels) for row in kept]
        block = _block([line for line in lines if line is not None], pixels)
        if block.height <= height:
            return block
    return Block((), 0, 0, pixels)


def _parted(hand: Hand, part: _Piece, language: str, within: float) -> list[_Piece]:
    """The piece, or its syllables where it is too long, or its letters where those are."""
    if part.seen <= within:
        return [part]
    *before, last = syllables(part.text, language)
    parted = _measured(hand, [*((syllable, "-") for syllable in before), (last, "")])
    if all(piece.seen <= within for piece in parted):
        return parted
    letters = characters(part.text)
    together = _measured(hand, [(one, "") for one in (*letters[:-2], "".join(letters[-2:]))])
    if together[-1].seen <= within:  # so that none is alone on the last row
        return together
    return _measured(hand, [(letter, "") for letter in letters])


def _ended(hand: Hand, row: str, width: int, pixels: float) -> str:
    """The row with an ellipsis at its end."""
    letters = characters(row)
    while letters:
        ended = "".join(letters).rstrip(_NOT_BEFORE_ELLIPSIS) + _ELLIPSIS
        if hand.line(ended, pixels).ink.width <= width:
            return ended
        letters.pop()
    return _ELLIPSIS


def _within(hand: Hand, row: str, width: int, pixels: float) -> Line | None:
    """The row, or as much of it as has room: ink may be wider than its letters are said to be."""
    line = hand.line(row, pixels)
    if line.ink.width > width:
        line = hand.line(_ended(hand, row, width, pixels), pixels)
    return line if line.ink.width <= width else None


def _block(lines: Sequence[Line], pixels: float) -> Block:
    """Lines one under the other, whose ink never meets: some scripts are tall."""
    seen = [line for line in lines if line.ink.height]
    placed: list[tuple[Line, int]] = []
    bottom = 0
    for line in seen:
        baseline = -line.ink.top
        if placed:
            above, at = placed[-1]
            apart = above.ink.bottom - line.ink.top + pixels * _LEAST_GAP
            baseline = at + round(max(pixels * _LEADING, apart))
        placed.append((line, baseline))
        bottom = baseline + line.ink.bottom
    width = max((line.ink.width for line in seen), default=0)
    missing = "".join(line.missing for line in lines)
    return Block(tuple(placed), width, bottom, pixels, missing)
