"""The banner of a card: title, price and button, set out in their room and drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

from adloom.loop.catalogue.cards.boxes import Box
from adloom.loop.catalogue.cards.fitting import Block, fit, one_line
from adloom.loop.catalogue.cards.palette import Colour, Palette
from adloom.loop.catalogue.cards.wording import Words, runs_from_right
from adloom.loop.catalogue.cards.writing import Line

# Pixels, for a card that is 1,080 wide.
_TITLE = (84.0, 34.0)
_PRICE = (52.0, 28.0)
_PRICE_IN_A_ROW = 40.0  # with the button; where it would be smaller, each has its own
_OLD_PRICE = 0.7  # of the price's size
_SMALLER = 0.98
_CALL = (36.0, 24.0)
_GAP = 26
_BUTTON_HEIGHT = 92
_BUTTON_SIDE = 44
_MOST_BUTTON = 0.44  # of the room, where it stands beside the title
_SMOOTH = 4


@dataclass(frozen=True)
class Written:
    """A line at its place: its left end on the baseline at ``x``, ``y``; ``box`` holds its ink."""

    line: Line
    x: int
    y: int
    box: Box
    colour: Colour
    ground: Colour
    struck: bool = False


@dataclass(frozen=True)
class Banner:
    """Where all of a banner lies on its card."""

    ground: Colour
    box: Box
    written: tuple[Written, ...]
    button: Box | None
    button_colour: Colour
    missing: str
    """Letters that no font has."""


def set_banner(
    words: Words, box: Box, room: Box, palette: Palette, *, beside: bool, unit: float = 1.0
) -> Banner:
    """Set out a banner.

    Args:
        box: all of it, on the card; pixels.
        room: the part of it that words and button stand in.
        beside: whether the button stands beside the title, or beneath it.
        unit: how large letters are, where those of a card of 1,080 pixels are 1.
    """
    return _Setting(words, room, palette, unit).banner(box, beside)


def draw_banner(card: Image.Image, banner: Banner) -> None:
    """Draw it on the card, RGB."""
    card.paste(banner.ground, banner.box.edges)
    if banner.button is not None:
        card.paste(banner.button_colour, banner.button.edges, _pill(banner.button.size))
    draw = ImageDraw.Draw(card)
    for one in banner.written:
        one.line.draw(draw, one.x, one.y, one.colour)
        if one.struck:
            middle = one.box.top + round(0.55 * one.box.height)
            thick = max(1, one.box.height // 12)
            across = (one.box.left, middle, one.box.right - 1, middle + thick - 1)
            draw.rectangle(across, fill=one.colour)


def _pill(size: tuple[int, int]) -> Image.Image:
    """A mask with round ends; Pillow draws hard edges, so it is drawn large."""
    width, height = (_SMOOTH * side for side in size)
    large = Image.new("L", (width, height), 0)
    box = (0, 0, width - 1, height - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, radius=height // 2, fill=255)
    return large.resize(size, Image.Resampling.BOX)


class _Setting:
    """Sets words out from left to right; what is read from the right is mirrored at the end."""

    def __init__(self, words: Words, room: Box, palette: Palette, unit: float) -> None:
        self._words = words
        self._room = room
        self._palette = palette
        self._unit = unit
        self._rtl = words.rtl
        self._written: list[Written] = []
        self._button: Box | None = None
        self._missing = ""
        self._gap = self._of(_GAP)

    def banner(self, box: Box, beside: bool) -> Banner:
        (self._beside if beside else self._beneath)()
        palette, button = self._palette, self._button
        if self._rtl and button is not None:
            button = button.mirrored(self._room)
        return Banner(
            palette.ground, box, tuple(self._written), button, palette.accent, _once(self._missing)
        )

    def _beside(self) -> None:
        """Title over price, and the button at the end, all about one middle."""
        room = self._room
        call = self._call(round(room.width * _MOST_BUTTON))
        width = room.width
        if call is not None:
            button = self._button_size(call)
            width -= button[0] + 2 * self._gap
            top = room.top + (room.height - button[1]) // 2
            self._push(call, room.right - button[0], top, button)
        prices = self._prices(width)
        high = _height(prices)
        below = high + self._gap if high else 0
        title = self._title(width, room.height - below)
        total = title.height + (below if title.height else high)
        top = room.top + (room.height - total) // 2
        self._place(title, room.left, top, self._palette.ink)
        self._price(prices, room.left, top + total - high)

    def _beneath(self) -> None:
        """Title, price and button one under the other; price and button in a row if they fit."""
        room = self._room
        call = self._call(room.width)
        button = self._button_size(call) if call is not None else (0, 0)
        prices = self._prices(room.width - (button[0] + self._gap if button[0] else 0))
        in_a_row = self._large_enough(prices)
        if not in_a_row:
            prices = self._prices(room.width)
        high = _height(prices)
        rows = [max(high, button[1])] if in_a_row else [side for side in (high, button[1]) if side]
        foot = sum(rows) + self._gap * len(rows)
        title = self._title(room.width, room.height - foot)
        total = title.height + foot - (0 if title.height else self._gap)
        top = room.top + (room.height - max(total, 0)) // 2
        self._place(title, room.left, top, self._palette.ink)
        y = top + title.height + (self._gap if title.height else 0)
        if in_a_row:
            self._price(prices, room.left, y + (rows[0] - high) // 2)
            if call is not None:
                left = room.right - button[0]
                self._push(call, left, y + (rows[0] - button[1]) // 2, button)
            return
        self._price(prices, room.left, y)
        if call is not None:
            self._push(call, room.left, y + (high + self._gap if high else 0), button)

    def _title(self, width: int, height: int) -> Block:
        return self._fit(self._words.title, (width, height), _TITLE, most_lines=4)

    def _call(self, width: int) -> Block | None:
        """The button's words; None where there are none to be seen."""
        room = width - self._of(2 * _BUTTON_SIDE), self._of(0.84 * _BUTTON_HEIGHT)
        block = self._fit(self._words.call, room, _CALL, most_lines=2)
        return block if block.lines else None

    def _button_size(self, call: Block) -> tuple[int, int]:
        height = max(self._of(_BUTTON_HEIGHT), call.height + self._of(_BUTTON_SIDE))
        return call.width + self._of(2 * _BUTTON_SIDE), height

    def _prices(self, width: int) -> list[Block]:
        """The price, then the one of before, as large as both have room for.

        Where they have none, the one of before is left out, and then both: half a price is wrong.
        """
        both = [text for text in (self._words.price, self._words.old_price) if text]
        largest, smallest = (size * self._unit for size in _PRICE)
        for texts in (both, both[:1]):
            gaps = self._gap * (len(texts) - 1)
            size = largest
            while texts and size >= smallest:
                blocks = [self._price_in(text, size, n) for n, text in enumerate(texts)]
                needed = sum(block.width for block in blocks)
                if needed + gaps <= width:
                    return [block for block in blocks if block.lines]
                size *= min(_SMALLER, max(0.0, width - gaps) / needed)
        return []

    def _large_enough(self, prices: list[Block]) -> bool:
        """Whether all prices are there, and in a size that needs no row of their own."""
        wanted = [text for text in (self._words.price, self._words.old_price) if text]
        least = _PRICE_IN_A_ROW * self._unit
        return 0 < len(wanted) == len(prices) and prices[0].pixels >= least

    def _price_in(self, text: str, size: float, number: int) -> Block:
        """The price, 0, or the one of before."""
        rtl = self._rtl or runs_from_right(text)
        pixels = size * _OLD_PRICE**number
        block = one_line(text, self._words.language, pixels, rtl=rtl)
        self._missing += block.missing
        return block

    def _of(self, pixels: float) -> int:
        """What is so many pixels on a card of 1,080, in pixels of this one."""
        return round(pixels * self._unit)

    def _fit(
        self,
        text: str,
        room: tuple[int, int],
        sizes: tuple[float, float],
        *,
        most_lines: int,
    ) -> Block:
        largest, smallest = (size * self._unit for size in sizes)
        block = fit(
            text,
            self._words.language,
            room,
            sizes=(largest, smallest),
            most_lines=most_lines,
            rtl=self._rtl or runs_from_right(text),
        )
        self._missing += block.missing
        return block

    def _price(self, prices: list[Block], left: int, top: int) -> None:
        """Both on one baseline."""
        if not prices:
            return
        now = prices[0]
        baseline = top + max(block.lines[0][1] for block in prices)
        self._place(now, left, baseline - now.lines[0][1], self._palette.accent)
        for old in prices[1:]:
            at = left + now.width + self._gap
            struck = len(self._written)
            self._place(old, at, baseline - old.lines[0][1], self._palette.faint)
            self._written[struck:] = [replace(one, struck=True) for one in self._written[struck:]]

    def _push(self, call: Block, left: int, top: int, size: tuple[int, int]) -> None:
        """The button and its words."""
        palette = self._palette
        self._button = Box(left, top, left + size[0], top + size[1])
        across, down = (size[0] - call.width) // 2, (size[1] - call.height) // 2
        self._place(
            call, left + across, top + down, palette.on_accent, palette.accent, centred=True
        )

    def _place(
        self,
        block: Block,
        left: int,
        top: int,
        colour: Colour,
        ground: Colour | None = None,
        *,
        centred: bool = False,
    ) -> None:
        """Lines whose ink begins at ``left``, or has its middle where the widest has its."""
        for line, baseline in block.lines:
            y = top + baseline
            x = left + (block.width - line.ink.width) // 2 if centred else left
            box = Box(x, y + line.ink.top, x + line.ink.width, y + line.ink.bottom)
            if self._rtl:
                box = box.mirrored(self._room)
            self._written.append(
                Written(
                    line, box.left - line.ink.left, y, box, colour, ground or self._palette.ground
                )
            )


def _once(letters: str) -> str:
    return "".join(dict.fromkeys(letters))


def _height(prices: list[Block]) -> int:
    """Of the ink of lines on one baseline."""
    above = max((block.lines[0][1] for block in prices), default=0)
    below = max((block.height - block.lines[0][1] for block in prices), default=0)
    return above + below
