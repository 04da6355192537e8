"""Boxes of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """What lies from ``left`` and ``top`` up to ``right`` and ``bottom``, which are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels."""
        return self.bottom - self.top

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, as Pillow has a box."""
        return self.left, self.top, self.right, self.bottom

    def grown(self, by: int, within: Box) -> Box:
        """With so much more on each side, as far as there is any ``within``."""
        return Box(
            max(self.left - by, within.left),
            max(self.top - by, within.top),
            min(self.right + by, within.right),
            min(self.bottom + by, within.bottom),
        )

    def inset(self, across: int, down: int) -> Box:
        """With so much less at left and right, and at top and bottom."""
        return Box(self.left + across, self.top + down, self.right - across, self.bottom - down)

    def moved(self, across: int, down: int) -> Box:
        """The same box elsewhere."""
        return Box(self.left + across, self.top + down, self.right + across, self.bottom + down)

    def shared(self, other: Box) -> Box:
        """What lies in both, which must meet."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def mirrored(self, within: Box) -> Box:
        """As it lies where right and left of ``within`` change places."""
        turn = within.left + within.right
        return Box(turn - self.right, self.top, turn - self.left, self.bottom)

    def holds(self, other: Box) -> bool:
        """Whether all of the other is inside."""
        return self.shared(other) == other

    def meets(self, other: Box) -> bool:
        """Whether both have a pixel in common."""
        common = self.shared(other)
        return common.width > 0 and common.height > 0


def around(boxes: Sequence[Box]) -> Box:
    """The smallest box that holds all; of none at all an empty one."""
    if not boxes:
        return Box(0, 0, 0, 0)
    return Box(
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )
