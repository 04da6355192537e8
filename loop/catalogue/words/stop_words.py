"""Words that say nothing by themselves, by language."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=64)
def stop_words(language: str) -> frozenset[str]:
    """In small letters; none for a language that nobody has a list of."""
    import stopwordsiso  # its lists take long to load, and many feeds need none

    language = language.lower().split("-")[0]
    language = "no" if language in ("nb", "nn") else language
    known = stopwordsiso.has_lang(language)
    return frozenset(stopwordsiso.stopwords(language)) if known else frozenset()
