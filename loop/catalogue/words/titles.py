"""Phrases that titles may use beside their products' own: set, or learnt from the shop's ads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import islice

import regex

from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.words.segmenting import segmenter
from adloom.loop.catalogue.words.stop_words import stop_words
from adloom.loop.settings.titles import TitleSettings
from adloom.models.titles.rules import TitleRules
from adloom.models.titles.scripts import tidied, without_spaces

_MOST_WORDS = 500
_LEAST_TITLES = 2
_LONGEST_PHRASE = 40
_LONGEST_UNSPACED = 14
_MOST_IN_PHRASE = 5
_SHORT_WORD = 4
"""Longer stop words are adverbs more often than not, such as "finally": they set a tone."""
_BETWEEN = regex.compile(
    r"[.!?…:;,|/()\[\]{}«»„“”\"「」『』【】。、！？：；，・،؛؟।॥។၊။།]+|\s[-–—~]+\s"
)
_AROUND = " '’-–—~*"
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’\-‑·][\p{L}\p{M}\p{N}]+)*")


class TitleWords:
    """What the titles of each product may say."""

    def __init__(
        self,
        settings: TitleSettings,
        learnt: Callable[[str], Sequence[str]],
        banned: Callable[[str], Sequence[str]] = lambda language: (),
    ) -> None:
        """Of a language ``learnt`` has the words of the shop's own ads (see `style_words`), and
        ``banned`` those that people banned beside the settings."""
        self._settings = settings
        self._learnt = learnt
        self._banned = banned
        # One object for many products: what is worked out for rules serves all of them.
        self._rules = lru_cache(maxsize=256)(self._made)

    def rules(self, product: Product) -> TitleRules:
        """The rules of a product: its language's words, and whether it may speak of a saving."""
        language = product.language
        set_here = [part.words for part in self._settings.of(language) if part.words is not None]
        words = set_here[0] if set_here else tuple(self._learnt(language))
        banned = tuple(self._banned(language))
        return self._rules(language, words, banned, product.sale_price is not None)

    def _made(
        self, language: str, words: tuple[str, ...], banned: tuple[str, ...], reduced: bool
    ) -> TitleRules:
        parts = list(self._settings.of(language))
        return TitleRules(
            language=language,
            style_words=words,
            banned=(
                *self._settings.banned,
                *(word for part in parts for word in part.banned),
                *banned,
            ),
            saving_words=tuple(word for part in parts for word in part.saving),
            may_speak_of_saving=reduced,
        )


def style_words(titles: Iterable[str], own_texts: Iterable[str], language: str) -> tuple[str, ...]:
    """Phrases of a shop's titles that tell nothing of a product, the most used first.

    A phrase stands between two marks of punctuation, as whoever wrote it meant it; single words
    out of it would be put together to nonsense. Phrases that say a word of any product's name or
    selling points are left out, and so are numbers and what fewer than two titles say; at most
    500 are taken.

    Args:
        titles: of the shop's own ads in ``language``.
        own_texts: names and selling points of their products.
    """
    said = Counter(phrase for title in titles for phrase in said_by(title, language))
    own = {word for text in own_texts for word in own_words(text, language)}
    return chosen_words(said, own, language)


def said_by(title: str, language: str) -> set[str]:
    """Phrases of a title that may be phrases of style, each in one spelling."""
    clauses = (clause.strip(_AROUND) for clause in _BETWEEN.split(tidied(title)))
    phrases = {clause.casefold(): clause for clause in clauses if _says_style(clause, language)}
    return set(phrases.values())


def own_words(text: str, language: str) -> set[str]:
    """Words of a product's text that tell something, in small letters."""
    return {word.casefold() for word in words_in(text, language)} - stop_words(language)


def chosen_words(said: Mapping[str, int], own: Set[str], language: str) -> tuple[str, ...]:
    """Phrases of style among those said, by how many titles say each: see `style_words`."""
    seen: Counter[str] = Counter()
    spellings: dict[str, Counter[str]] = {}
    for phrase, titles in said.items():
        key = phrase.casefold()
        seen[key] += titles
        spellings.setdefault(key, Counter())[phrase] += titles
    often = sorted(
        (key for key, titles in seen.items() if titles >= _LEAST_TITLES),
        key=lambda key: (-seen[key], key),
    )
    style = (
        key for key in often if not any(_tells_of(word, own) for word in own_words(key, language))
    )
    return tuple(_spelling(spellings[key]) for key in islice(style, _MOST_WORDS))


def words_in(text: str, language: str) -> list[str]:
    """The words of ``text``, in order."""
    return [word for run in _WORD.findall(tidied(text)) for word in _segmented(run, language)]


def _segmented(run: str, language: str) -> Iterator[str]:
    if not any(without_spaces(character) for character in run):
        yield run
        return
    parser = segmenter(language)
    yield from (run,) if parser is None else parser.parse(run)


def _tells_of(word: str, own: Set[str]) -> bool:
    """Whether it is a word of a product, or has one in it where words have no spaces."""
    if word in own or not any(map(without_spaces, word)):
        return word in own
    parts = (word[a:b] for a in range(len(word)) for b in range(a + 2, len(word) + 1))
    return not own.isdisjoint(parts)


def _says_style(phrase: str, language: str) -> bool:
    if not phrase or len(phrase) > _LONGEST_PHRASE or any(map(str.isdigit, phrase)):
        return False
    words = words_in(phrase, language)
    # Without spaces between words nobody counts them, and every character says more.
    if any(map(without_spaces, phrase)):
        return len(phrase) <= _LONGEST_UNSPACED
    small = stop_words(language)
    return len(words) <= _MOST_IN_PHRASE and any(
        len(word) > _SHORT_WORD or word.casefold() not in small for word in words
    )


def _spelling(counts: Counter[str]) -> str:
    """How a word is written within a sentence: small where that was ever seen."""
    small = [word for word in counts if word == word.lower()]
    return min(small or counts, key=lambda word: (-counts[word], word))
