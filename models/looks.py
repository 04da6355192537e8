"""How an ad looks and how its title speaks, as vectors that tell one style from another.

Both are made of what a history has anyway. A look is the mean and the spread of the codebook's
entries in every row of the picture's tokens: floor, wall and light lie in rows, whatever stands
before them. A manner is what a title says beside its product.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isqrt

import numpy as np
import regex
from numpy.typing import NDArray

from adloom.models.titles.mentions import without

_KNOWN_TITLES = 20_000
_WORDS = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:[-'\u2019][\p{L}\p{M}\p{N}]+)*|\p{P}")
_SAYS_SOMETHING = regex.compile(r"[\p{L}\p{N}]")


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows ``(n, d)`` of length one, float32; a row of zeros stays."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def look_vectors(entries: NDArray[np.floating], codes: NDArray[np.integer]) -> NDArray[np.float32]:
    """Looks of square pictures: float32 ``(n, 2 * side * d)`` of unit length.

    Args:
        entries: the codebook's vectors of unit length, a row a code, ``(codes, d)``
            (``code_vectors`` of :class:`adloom.models.picture_encoder.PictureEncoder`).
        codes: VQ codes, ``(n, side * side)``.

    Raises:
        ValueError: the codes are not those of square pictures.
    """
    tokens = codes.shape[1]
    side = isqrt(tokens)
    if side * side != tokens:
        raise ValueError(f"a square picture has a square number of codes, not {tokens}")
    width = entries.shape[1]
    rows = entries[codes].reshape(len(codes), side, side, width)
    parts = [part.reshape(len(codes), side * width) for part in (rows.mean(2), rows.std(2))]
    return unit(np.concatenate(parts, axis=1))


def distinct_looks(
    entries: NDArray[np.floating], codes: NDArray[np.integer]
) -> NDArray[np.float32]:
    """As :func:`look_vectors`, without what pictures of any codes have in common.

    That tells no picture from the others: left are the ways in which one is unlike chance.
    """
    looks, side = look_vectors(entries, codes), isqrt(codes.shape[1])
    by_chance = np.concatenate([np.tile(entries.mean(0), side), np.tile(entries.std(0), side)])
    [common] = unit(by_chance[None])
    return unit(looks - np.outer(looks @ common, common))


@lru_cache(_KNOWN_TITLES)
def manner(title: str, name: str, selling_points: Sequence[str]) -> str:
    """What a title says beside its product, in small letters: words of style, and marks.

    Without mentions of the name and the selling points, and without their single words; "" where
    no word is left, so that nothing tells how the title speaks.

    Args:
        title: of an ad, in any language.
        name: of its product.
        selling_points: of its product, a tuple.
    """
    for phrase in (name, *selling_points):
        title = without(title, phrase)
    own = set(_words(" ".join((name, *selling_points))))
    left = [word for word in _words(title) if word not in own or not _SAYS_SOMETHING.match(word)]
    return " ".join(left) if any(map(_SAYS_SOMETHING.match, left)) else ""


def _words(text: str) -> list[str]:
    return [str(word) for word in _WORDS.findall(text.casefold())]
