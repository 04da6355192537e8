"""How many clicks of how many shoppers, in words."""

from __future__ import annotations


def clicks_of(clicks: int, shoppers: int) -> str:
    """``2 clicks of 1 shopper``."""
    return (
        f"{clicks} click{'' if clicks == 1 else 's'} of "
        f"{shoppers} shopper{'' if shoppers == 1 else 's'}"
    )
