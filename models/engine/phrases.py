"""Guesses for the next tokens of a title: what followed the same words elsewhere.

A title names its product and the reasons to buy it, which its prompt lists, and often goes on as
titles that the shopper has clicked do. Whether a guess was right is found out by feeding it (see
:mod:`adloom.models.engine.guesses`), so a wrong one costs time and changes nothing.

Source: prompt lookup decoding (github.com/apoorvumang/prompt-lookup-decoding).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_LONGEST = 3
"""Tokens that are looked up; fewer where these were never met."""


class Phrases:
    """Which token follows which, in texts of token ids; the first text counts most."""

    def __init__(self, texts: Iterable[Sequence[int]], otherwise: int) -> None:
        """``otherwise`` is the guess where nothing is known."""
        self._otherwise = otherwise
        self._next: dict[tuple[int, ...], int] = {}
        for text in texts:
            for at in range(1, len(text)):
                for start in range(max(0, at - _LONGEST), at):
                    self._next.setdefault(tuple(text[start:at]), text[at])

    def after(self, tokens: Sequence[int], count: int) -> list[int]:
        """``count`` guesses for what follows ``tokens``."""
        last = list(tokens[-_LONGEST:])
        guesses: list[int] = []
        for _ in range(count):
            ends = (tuple(last[-length:]) for length in range(len(last), 0, -1))
            guess = next((self._next[end] for end in ends if end in self._next), self._otherwise)
            guesses.append(guess)
            last = [*last, guess][-_LONGEST:]
        return guesses
