"""Selling points out of a description, where the shop tells none.

RAKE (Rose et al., 2010): what stands between stop words and punctuation is a phrase, and a word
counts for more the longer the phrases are that it stands in. Stop words of 57 languages come from
stopwords-iso. Scripts without spaces have short clauses instead, and in Japanese runs of kanji and
katakana, which are its nouns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from adloom.loop.catalogue.words.stop_words import stop_words

_MOST = 5
_LOOKED_AT_CHARS = 2000  # the best is said first
_MAX_WORDS = 4
_MAX_CHARS = 60
_LONG_WORD_CHARS = 9  # a word alone says enough where it is as long as compounds are
_UNSPACED_CHARS = range(4, 17)
_SPOKEN_CHARS = range(4, 31)  # scripts of South East Asia write vowels and tones as characters

# A point or comma ends a clause only before a blank: 2.5 and 1,5 are numbers.
_CLAUSE_END = re.compile(
    r"[.,:](?=\s|$)|\s[-\u2013\u2014]+\s|"
    r"[;!?\n()\[\]{}\"„“”«»|/•…、。；：「」『』・،؛؟।\uff01\uff0c\uff1a\uff1b\uff1f]"  # noqa: RUF001
)
_WORD = re.compile(r"\S+")
_NAME = "\x00"
_SAYS_SOMETHING = re.compile(r"[^\W_]|\x00")
_CAPITAL_NOUNS = frozenset({"de", "lb"})
_SIGN = re.compile(r"[^\W_]")
_HAN_AND_KANA = re.compile("[\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_SPOKEN = re.compile("[\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Burmese, Khmer
_NOUN = re.compile("[\u3005\u30a1-\u30fa\u30fc-\u30fe\u3400-\u9fff]+")
_HIRAGANA = re.compile("[\u3041-\u309f]")
_NOT_SAID = re.compile(
    r"[$€£¥₹₩₺₽円元฿]|\b\d+[.,]\d\d\b|\d\s?[A-Z]{3}\b|\b[A-Z]{3}\s?\d"  # prices
    r"|\d\s?(?:[mcd]?m|k?g|m?l|in|ft|oz|lb)\b"  # sizes sell nothing
    r"|@|https?:|www\."
)


def highlights(description: str, language: str, name: str) -> tuple[str, ...]:
    """At most 5 phrases that tell most of the product, the best first.

    Each stands in the description as it is: 1 to 4 words, or a run of up to 16 characters (30 in
    Thai and its like) in scripts without spaces. None holds the name or a price.
    """
    text = _begin(description)
    letters = len(_SIGN.findall(text))
    if 2 * len(_HAN_AND_KANA.findall(text)) > letters:
        found: Iterable[str] = _short_clauses(text, _UNSPACED_CHARS)
    elif 2 * len(_SPOKEN.findall(text)) > letters:
        found = _short_clauses(text, _SPOKEN_CHARS)
    else:
        found = _ranked(list(_phrases(text, language.split("-")[0], name)))
    return _best(found, name.casefold())


def _begin(description: str) -> str:
    """The first clauses, none of them cut."""
    if len(description) <= _LOOKED_AT_CHARS:
        return description
    text = description[:_LOOKED_AT_CHARS]
    return text[: max((end.start() for end in _CLAUSE_END.finditer(text)), default=0)]


def _phrases(text: str, language: str, name: str) -> Iterator[str]:
    """Runs of words without stop words and without the name, in order."""
    empty = stop_words(language)
    if name and name.lower() in text.lower():  # in one piece, for it may hold a stop word
        text = re.sub(re.escape(name), _NAME, text, flags=re.IGNORECASE)
    for clause in _CLAUSE_END.split(text):
        run: list[re.Match[str]] = []
        for word in [*_WORD.finditer(clause), None]:
            if word and word[0].lower() not in empty and _SAYS_SOMETHING.search(word[0]):
                run.append(word)
                continue
            ends_in_noun = run and (language not in _CAPITAL_NOUNS or run[-1][0][0].isupper())
            if ends_in_noun and not any(_NAME in one[0] for one in run):
                yield clause[run[0].start() : run[-1].end()]
            run = []


def _ranked(phrases: list[str]) -> list[str]:
    """By RAKE's score, earlier ones first where it is the same."""
    frequency: Counter[str] = Counter()
    degree: Counter[str] = Counter()
    split = [(phrase, phrase.casefold().split()) for phrase in phrases]
    for _, words in split:
        for word in words:
            frequency[word] += 1
            degree[word] += min(len(words), _MAX_WORDS)
    said = [
        (phrase, words)
        for phrase, words in split
        if 2 <= len(words) <= _MAX_WORDS or (len(words) == 1 and len(phrase) >= _LONG_WORD_CHARS)
    ]
    said.sort(key=lambda one: -sum(degree[word] / frequency[word] for word in one[1]))
    return [phrase for phrase, _ in said]


def _short_clauses(text: str, chars: range) -> Iterator[str]:
    """Clauses that are short enough, and the nouns of Japanese ones that are not; in order."""
    for clause in re.split(r"\s+", _CLAUSE_END.sub("\n", text)):
        if len(clause) in chars:
            yield clause
        elif _HIRAGANA.search(clause):
            yield from (noun for noun in _NOUN.findall(clause) if len(noun) in chars)


def _best(found: Iterable[str], name: str) -> tuple[str, ...]:
    """The first few that say something of their own."""
    chosen: dict[str, str] = {}
    for phrase in found:
        plain = phrase.casefold()
        repeated = any(plain in other or other in plain for other in (name, *chosen) if other)
        if not repeated and len(phrase) <= _MAX_CHARS and not _NOT_SAID.search(phrase):
            chosen[plain] = phrase
            if len(chosen) == _MOST:
                break
    return tuple(chosen.values())
