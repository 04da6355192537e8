"""BLEU and ROUGE-L of a title against the title that was clicked (Uni-AdGen, section 4.1)."""

from functools import cache

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU


def bleu(title: str, reference: str) -> float:
    """Sentence BLEU in 0..1, by sacrebleu.

    Titles are short, so orders of n-grams that a title is too short for are left out of the
    mean, and orders without a match are smoothed.
    """
    return float(_bleu().sentence_score(title, [reference]).score) / 100


def rouge_l(title: str, reference: str) -> float:
    """F-measure of the longest common subsequence of words, 0..1, by rouge-score."""
    return float(_rouge().score(reference, title)["rougeL"].fmeasure)


@cache
def _bleu() -> BLEU:
    return BLEU(effective_order=True)


@cache
def _rouge() -> RougeScorer:
    return RougeScorer(["rougeL"])
