"""BLEU and ROUGE-L of a title against the title that was clicked (Uni-AdGen, section 4.1)."""

from __future__ import annotations

from functools import cache

import regex
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer
from sacrebleu.metrics.bleu import BLEU

from adloom.models.titles.languages import of_language
from adloom.models.titles.scripts import characters, tidied, without_spaces

_TOKENISERS = {"en": "13a", "zh": "zh", "yue": "zh"} | dict.fromkeys(
    ("ja", "th", "lo", "km", "my", "bo"), "char"
)
"""Of sacrebleu. Where words have no spaces and a segmenter would have to be installed (MeCab) or
is not there at all, BLEU is that of characters."""
_OTHERWISE = "intl"
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def bleu(title: str, reference: str, language: str = "en") -> float:
    """Sentence BLEU in 0..1, by sacrebleu with the tokeniser that it has for ``language``.

    Titles are short, so orders of n-grams that a title is too short for are left out of the
    mean, and orders without a match are smoothed.
    """
    tokenise = of_language(_TOKENISERS, language, _OTHERWISE)
    score = float(_bleu(tokenise).sentence_score(title, [reference]).score) / 100
    return min(score, 1.0)  # a sum of logarithms may end a little above


def rouge_l(title: str, reference: str) -> float:
    """F-measure of the longest common subsequence of words, 0..1, by rouge-score.

    Of scripts that write words without spaces each character counts as a word.
    """
    return float(_rouge().score(reference, title)["rougeL"].fmeasure)


class _Words(Tokenizer):
    """Words in small letters, whatever their script."""

    def tokenize(self, text: str) -> list[str]:
        """The words and characters of ``text``, in order."""
        words: list[str] = []
        for word in _WORD.findall(tidied(text).casefold()):
            parted = any(map(without_spaces, word))
            words += characters(word) if parted else [word]
        return words


@cache
def _bleu(tokenise: str) -> BLEU:
    return BLEU(effective_order=True, tokenize=tokenise)


@cache
def _rouge() -> RougeScorer:
    return RougeScorer(["rougeL"], tokenizer=_Words())
