"""Titles that name the product and claim nothing but what it has.

Source: Uni-AdGen, section 3.4, has the title written from the product's selling-point words. Here
a title is made of style words and of the product's own phrases, each whole, its name among them;
llguidance (https://github.com/guidance-ai/llguidance) works out which tokens keep to that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer
from torch import Tensor
from transformers import LogitsProcessor, PreTrainedTokenizerFast

_BETWEEN = r"(?:, |! |\. |: | )"
_END = r"[.!]?"
_UNITS_A_SIDE = 5
"""Enough for every tone of the demo shop; without a bound a title may never come to its name."""
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


class TitleConstraint(LogitsProcessor):
    """Lets each row of a batch go on only with what may become a title of its product.

    A title is the product's name with up to five units before and after it. A unit is a style
    word or a phrase of the product; a comma, colon, full stop, exclamation mark or nothing but a
    space is between. Each may begin with a small or a capital letter: :func:`spelt` gives the
    name its own back.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        style_words: Iterable[str],
        own_texts: Sequence[Sequence[str]],
    ) -> None:
        """Allow every row the words of ``style_words`` and its own phrases.

        Args:
            tokenizer: byte-level BPE, as that of the bundled model and of Janus-Pro.
            style_words: words any title may use.
            own_texts: for each row the product's name, then its selling words.

        Raises:
            ValueError: a product has no name.
        """
        self._eos: int = tokenizer.eos_token_id
        self._size = len(tokenizer)
        style = tuple(dict.fromkeys(word for text in style_words for word in words_of(text)))
        self._rows = [
            LLMatcher(
                _llguidance_tokenizer(tokenizer),
                LLMatcher.grammar_from_regex(title_pattern(style, own)),
            )
            for own in own_texts
        ]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Mask what may not follow.

        Args:
            input_ids: tokens of the titles so far, int64 ``(rows, length)``, length 0 at first.
            scores: logits of the next token, ``(rows, vocabulary)``.

        Returns:
            The scores with minus infinity where a token would leave what a title may be.
        """
        allowed = torch.zeros(scores.shape, dtype=torch.bool)
        for row, ids in enumerate(input_ids.tolist()):
            allowed[row, : self._size] = self.allowed(row, ids)
        return scores.masked_fill(~allowed.to(scores.device), -torch.inf)

    def allowed(self, row: int, ids: Sequence[int]) -> Tensor:
        """What may follow ``ids`` in ``row``: bool ``(vocabulary,)`` on the CPU.

        After its end a title has no say in what follows: everything is allowed.

        Raises:
            ValueError: no title of the row's product begins with ``ids``.
        """
        if self._eos in ids:
            return torch.ones(self._size, dtype=torch.bool)
        matcher = self._rows[row].deep_copy()
        if matcher.try_consume_tokens(list(ids)) < len(ids):
            raise ValueError("no title of this product begins like that")
        bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        mask = np.unpackbits(bits, count=self._size, bitorder="little")
        return torch.from_numpy(mask).bool()


def words_of(text: str) -> list[str]:
    """Words of ``text``: runs of letters, digits, ``'`` and ``-``."""
    return re.findall(r"[\w'-]+", text)


def title_pattern(style: Sequence[str], own: Sequence[str]) -> str:
    """Regular expression of the titles of a product; ``own`` is its name, then other phrases."""
    if not own or not own[0].strip():
        raise ValueError("a title needs the name of its product")
    name = _either_case(own[0])
    unit = "(?:" + "|".join(_either_case(text) for text in (*own, *style) if text) + ")"
    most = f"{{0,{_UNITS_A_SIDE}}}"
    return f"(?:{unit}{_BETWEEN}){most}{name}(?:{_BETWEEN}{unit}){most}{_END}"


def spelt(title: str, name: str) -> str:
    """``title`` with every mention of ``name`` in that spelling, whatever its case was."""
    return re.sub(re.escape(name), lambda _: name, title, flags=re.IGNORECASE)


def _either_case(text: str) -> str:
    """Pattern of a word or phrase, its first letter small or capital."""
    small, capital = text[0].lower(), text[0].upper()
    if small == capital:
        return _escaped(text)
    return f"[{small}{capital}]{_escaped(text[1:])}"


def _escaped(text: str) -> str:
    return _PUNCTUATION.sub(r"\\\g<0>", text)


@lru_cache(maxsize=4)
def _llguidance_tokenizer(tokenizer: PreTrainedTokenizerFast) -> LLTokenizer:
    return from_tokenizer(tokenizer)
