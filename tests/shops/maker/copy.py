"""How the shop's ads speak: four tones in German and Japanese, each with words of its own."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.shops.maker.assortment import Article

TONES = ("gemuetlich", "schlicht", "festlich", "flott")

_FILE = Path(__file__).with_name("copy.toml")
_PHRASES = tomllib.loads(_FILE.read_text(encoding="utf-8"))


def title(article: Article, tone: str, number: int) -> str:
    """What an ad of this tone says of a product; `number` chooses phrase and selling point."""
    phrases: list[str] = _PHRASES[article.language][tone]
    if not article.points:
        phrases = [phrase for phrase in phrases if "{point}" not in phrase]
    point = article.points[number % len(article.points)] if article.points else ""
    return phrases[number % len(phrases)].format(name=article.called, point=point)


def sale_title(article: Article) -> str:
    """What an ad of a product with a sale price says."""
    phrase: str = _PHRASES[article.language]["on_sale"]
    return phrase.format(name=article.called)
