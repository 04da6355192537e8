"""The demo shop's ad titles: a few tones of voice, each with its own turns of phrase.

Templates are written here so that a title never promises more than the product's
selling points: the slots hold the name and one or two of those points, the other words
only set the tone.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from functools import cache
from itertools import pairwise

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.models.titles.rules import TitleRules

# {name}: product name; {a}, {b}: selling points; {A}, {B}: the same at a sentence's start.
_TEMPLATES: dict[str, tuple[str, ...]] = {
    "playful": (
        "Say hello to fun {name} with {a}!",
        "Oh yes! {name}, {a} and {b}!",
        "Yay for {a}! Happy {name} time!",
        "Your silly new crush: {name}, {a}!",
        "Hooray! {name} with {a} and {b}!",
        "Giggle, grin, repeat: {name} with {a}!",
        "Wiggle, giggle, wow! {name}, {a}!",
        "Happy dance! {name}, {a}, {b}!",
    ),
    "luxury": (
        "The fine art of {a}: {name}",
        "Pure elegance: {name} with {a}",
        "Timeless {name}, refined by {a}",
        "Exquisite {name} with {a} and {b}",
        "For the discerning: {name}, {a}",
        "Indulge in {name}, graced by {a}",
        "Elegance, refined: {name}, {a}, {b}",
        "An exquisite indulgence: {name}, {a}",
    ),
    "minimal": (
        "{name}. {A}. Nothing more.",
        "Just {name}. Just {a}.",
        "{name}. {A}. {B}. Enough.",
        "Less noise. {A}. {name}.",
        "Simply {name}. Simply {a}.",
        "{A}. {B}. Only {name}.",
        "Only essentials. {name}. {A}.",
        "{name}. Just {a}. Nothing else.",
    ),
    "eco": (
        "Choose mindfully: {name} with {a}",
        "Waste less, love longer: {name}, {a}",
        "Slow living starts here: {name}, {a}",
        "Live gently: {name}, {a} and {b}",
        "Naturally yours: {name}, {a}, {b}",
        "Mindful living: {name} with {a}",
        "Back to nature with {name}, {a}",
        "Tread gently, choose slow: {name}, {a}",
    ),
    "bargain": (
        "Save today on {name} with {a}!",
        "Deal alert! {name}, {a} and {b}",
        "Big value, small price: {name}, {a}",
        "Hot deal! {name} with {a}",
        "More for less: {name}, {a}, {b}",
        "Wallet friendly {name} with {a}",
        "Pay less, get {a}: {name} deal!",
        "Sale now on: {name} with {a}",
    ),
    "tech": (
        "System upgrade: {name}, {a}, {b}",
        "Precision specs: {a}, {b}. {name}.",
        "Engineered for performance: {name}, {a}",
        "Next-gen {name} with {a}",
        "Powered by {a}: next-gen {name}",
        "Your daily setup, upgraded: {name}, {a}",
        "Specs that perform: {name}, {a}",
        "Optimized design: {name} with {a}",
    ),
    "hype": (
        "No cap: {name} with {a} hits different",
        "Straight fire: {name} with {a}",
        "Main character energy: {name}, {a}",
        "Vibe check passed: {name}, {a}",
        "Big drop: {name} with {a}, obsessed",
        "Lowkey obsessed with {name}, {a}",
        "Viral {name}. {A}. Iconic.",
        "Slay mode: {name}, {a}, {b}",
    ),
}

TONES: tuple[str, ...] = tuple(_TEMPLATES)
"""Every tone of voice; the last is the trend tone, which the shop's own ads rarely use."""

STYLE_WORDS: tuple[str, ...] = tuple(
    sorted(
        {
            word
            for templates in _TEMPLATES.values()
            for template in templates
            for word in re.sub(r"\{\w+\}", " ", template).lower().split()
        }
    )
)
"""What a title may say beside its product's name and selling points: all that sets a tone."""


def title_rules(product: object) -> TitleRules:
    """What a title of any of the shop's products may say: the words of its tones."""
    return _RULES


_RULES = TitleRules(language="en", style_words=STYLE_WORDS)
_SURE = 0.8
"""Posterior probability from which `tone_of` names a tone."""


def write_title(product: Product, tone: str, *, rng: random.Random) -> str:
    """Write an ad title of 4 to 10 words for `product` in `tone`, with one or two selling points.

    Raises `ValueError` when `tone` is not one of `TONES`.
    """
    if tone not in _TEMPLATES:
        raise ValueError(f"unknown tone {tone!r}: choose one of {', '.join(TONES)}")
    template = rng.choice(_TEMPLATES[tone])
    first, second = rng.sample(product.selling_points, 2)
    title = template.format(
        name=product.name, a=first, b=second, A=first.capitalize(), B=second.capitalize()
    )
    return title[0].upper() + title[1:]


def tone_of(title: str) -> str | None:
    """Name the tone a title is written in by its wording, or None when that is not clear.

    A multinomial naive Bayes over the words and word pairs of the templates. What no template
    says tells nothing, nor do words that names and selling points or many tones share.
    """
    log_likelihood = _log_likelihood()
    known = [token for token in _tokens(title) if token in log_likelihood]
    if not known:
        return None
    scores = [sum(log_likelihood[token][i] for token in known) for i in range(len(TONES))]
    best = max(scores)
    posterior = 1 / sum(math.exp(score - best) for score in scores)
    return TONES[scores.index(best)] if posterior >= _SURE else None


def selling_words_in(title: str, product: Product) -> tuple[str, ...]:
    """The product's selling points that `title` names as whole words, in catalogue order."""
    words = f" {' '.join(_words(title))} "
    return tuple(
        point for point in product.selling_points if f" {' '.join(_words(point))} " in words
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+(?:[-'][a-z0-9]+)*", text.lower())


def _tokens(text: str) -> list[str]:
    words = _words(text)
    return words + [f"{left} {right}" for left, right in pairwise(words)]


@cache
def _log_likelihood() -> dict[str, tuple[float, ...]]:
    """Token → log probability under each tone, with add-0.02 smoothing."""
    slot = re.compile(r"\{\w+\}")
    counts = [
        Counter(
            token
            for template in templates
            for part in slot.split(template)
            for token in _tokens(part)
        )
        for templates in _TEMPLATES.values()
    ]
    of_products = {
        word
        for product in load_catalog().values()
        for word in _words(" ".join((product.name, *product.selling_points)))
    }
    vocabulary = sorted(
        token
        for token in set().union(*counts) - of_products
        if sum(token in count for count in counts) < 3
    )
    totals = [sum(count[token] + 0.02 for token in vocabulary) for count in counts]
    return {
        token: tuple(
            math.log((count[token] + 0.02) / total)
            for count, total in zip(counts, totals, strict=True)
        )
        for token in vocabulary
    }
