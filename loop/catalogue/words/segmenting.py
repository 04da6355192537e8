"""Where words end in scripts that put no spaces between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import budoux

from adloom.models.titles.languages import fallbacks

_PARSERS: dict[str, Callable[[], budoux.Parser]] = {
    "ja": budoux.load_default_japanese_parser,
    "zh": budoux.load_default_simplified_chinese_parser,
    "zh-cn": budoux.load_default_simplified_chinese_parser,
    "zh-hk": budoux.load_default_traditional_chinese_parser,
    "zh-hant": budoux.load_default_traditional_chinese_parser,
    "zh-tw": budoux.load_default_traditional_chinese_parser,
    "th": budoux.load_default_thai_parser,
}


def segmenter(language: str) -> budoux.Parser | None:
    """What parts texts of ``language`` into words; None where nothing is known of it."""
    return next((_parser(tag) for tag in fallbacks(language) if tag in _PARSERS), None)


@cache
def _parser(tag: str) -> budoux.Parser:
    return _PARSERS[tag]()
