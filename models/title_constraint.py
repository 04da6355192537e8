"""Titles that claim nothing but what the product has.

Source: Uni-AdGen, section 3.4, has the title written from the product's selling-point words. Here
every word of a title is one of the product's own words or a word of style; what may follow is
worked out token by token, so it holds however the tokenizer cuts words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from transformers import LogitsProcessor, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

_WORD_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789'-")


def words_of(text: str) -> list[bytes]:
    """Words of ``text`` in UTF-8, ASCII lower-case: runs of letters, digits, ``'`` and ``-``."""
    return [word for word in _split(text.encode())[0::2] if word]


class TitleConstraint(LogitsProcessor):
    """Lets each row of a batch go on only with words that are allowed to it.

    For languages that part words with spaces or punctuation and a byte-level BPE tokenizer, as
    that of the bundled model and of Janus-Pro. The case of ASCII letters does not count.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        style_words: Iterable[str],
        own_texts: Sequence[Iterable[str]],
    ) -> None:
        """Allow every row the words of ``style_words`` and of its own ``own_texts``.

        Args:
            tokenizer: byte-level BPE.
            style_words: words any title may use.
            own_texts: for each row the product's name and selling words.
        """
        self._eos: int = tokenizer.eos_token_id
        self._size = len(tokenizer)
        self._tokens, self._by_head = _vocabulary(tokenizer)
        style = {word for text in style_words for word in words_of(text)}
        self._rows = [
            frozenset(style | {word for text in texts for word in words_of(text)})
            for texts in own_texts
        ]
        self._masks: dict[tuple[frozenset[bytes], bytes, bool], Tensor] = {}

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Mask what may not follow.

        Args:
            input_ids: tokens of the titles so far, int64 ``(rows, length)``, length 0 at first.
            scores: logits of the next token, ``(rows, vocabulary)``.

        Returns:
            The scores with minus infinity where a token would begin, continue or end a word that
            is not allowed.
        """
        allowed = torch.zeros(scores.shape, dtype=torch.bool)
        for row, ids in enumerate(input_ids.tolist()):
            allowed[row, : self._size] = self.allowed(row, ids)
        return scores.masked_fill(~allowed.to(scores.device), -torch.inf)

    def allowed(self, row: int, ids: Sequence[int]) -> Tensor:
        """What may follow ``ids`` in ``row``: bool ``(vocabulary,)`` on the CPU."""
        written = _split(b"".join(self._tokens.get(token, b"") for token in ids))
        key = self._rows[row], written[-1], any(written[0::2])
        if key not in self._masks:
            self._masks[key] = self._allowed(*key)
        return self._masks[key]

    def _allowed(self, words: frozenset[bytes], begun: bytes, may_end: bool) -> Tensor:
        """What may follow the beginning of a word; a title of no word may not end."""
        beginnings = {word[:end] for word in words for end in range(len(word) + 1)}
        allowed: list[int] = []
        for longer in beginnings:
            if not longer.startswith(begun):
                continue
            whole = not longer or longer in words
            # Without a rest a token stays within the word; else it ends the word and goes on.
            allowed += [
                token
                for token, rest in self._by_head.get(longer[len(begun) :], ())
                if not rest or (whole and rest[-1] in beginnings and words.issuperset(rest[:-1]))
            ]
        mask = torch.zeros(self._size, dtype=torch.bool)
        mask[allowed] = True
        mask[self._eos] = may_end and (not begun or begun in words)
        return mask


def _split(text: bytes) -> list[bytes]:
    """Words at even places, what parts them at odd places; first and last are words, at times
    empty."""
    parts = [bytearray()]
    in_word = True
    for byte in text.lower():
        # All of a multi-byte character counts as letters.
        if (byte in _WORD_BYTES or byte >= 128) != in_word:
            parts.append(bytearray())
            in_word = not in_word
        parts[-1].append(byte)
    if not in_word:
        parts.append(bytearray())
    return [bytes(part) for part in parts]


@lru_cache(maxsize=4)
def _vocabulary(
    tokenizer: PreTrainedTokenizerFast,
) -> tuple[dict[int, bytes], dict[bytes, list[tuple[int, list[bytes]]]]]:
    """What each token writes; and tokens by what they write first, with the words that follow."""
    tokens = _token_bytes(tokenizer)
    by_head: dict[bytes, list[tuple[int, list[bytes]]]] = {}
    for token, text in tokens.items():
        head, *rest = _split(text)
        by_head.setdefault(head, []).append((token, rest[1::2]))
    return tokens, by_head


def _token_bytes(tokenizer: PreTrainedTokenizerFast) -> dict[int, bytes]:
    """What each ordinary token writes."""
    byte_of = {character: byte for byte, character in bytes_to_unicode().items()}
    special = set(tokenizer.all_special_ids)
    return {
        index: bytes(byte_of[character] for character in token)
        for token, index in tokenizer.get_vocab().items()
        if index not in special and all(character in byte_of for character in token)
    }
