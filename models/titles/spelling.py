"""How a tokenizer spells a text, and many texts as one tree."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

FAR = 1 << 20
"""More tokens than any title has: there is no way."""


class Speller:
    """The tokens of texts that are put together to a title.

    A text that looks like a special token is spelt like any other: ``<eos>`` in a product's name
    ends no title.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        """Raises ValueError where texts cannot be put together token by token."""
        self._plain = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._plain.encode_special_tokens = True
        self._special = frozenset(tokenizer.all_special_ids)
        together = [token for text in ("a", " a", "!", "a") for token in self._ids(text)]
        if self._text(together) != "a a!a":
            raise ValueError(
                "titles can be kept to rules with byte-level tokenizers only: "
                "set generator.constrain_titles = false"
            )

    def spell(self, text: str) -> tuple[int, ...] | None:
        """The tokens of ``text``; None where these would not give it back."""
        ids = self._ids(text)
        plain = self._special.isdisjoint(ids) and self._text(ids) == text
        return tuple(ids) if plain else None

    def _ids(self, text: str) -> list[int]:
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def _text(self, ids: list[int]) -> str:
        return str(self._plain.decode(ids, skip_special_tokens=False))


@lru_cache(maxsize=4)
def speller(tokenizer: PreTrainedTokenizerFast) -> Speller:
    """The speller of a tokenizer, which must not change.

    Raises:
        ValueError: it is not byte-level.
    """
    return Speller(tokenizer)


class Node:
    """A place in a tree of spelt texts: after some of the tokens of each of them.

    ``ends`` is true where one of them is complete. ``touching``: it is, and its last character
    needs a space before a word of a script that has spaces. ``rest`` counts the tokens to the
    nearest end, 0 where one is here. ``says`` is the text that is complete here.
    """

    def __init__(self) -> None:
        self.children: dict[int, Node] = {}
        self.rest = FAR
        self.touching = False
        self.says = ""

    def add(self, tokens: Sequence[int], *, touching: bool = False, says: str = "") -> None:
        """Put a text below this node; all are put in before the first is looked at."""
        node = self
        node.rest = min(node.rest, len(tokens))
        for left, token in zip(range(len(tokens) - 1, -1, -1), tokens, strict=True):
            node = node.children.setdefault(token, Node())
            node.rest = min(node.rest, left)
        node.touching, node.says = touching, says

    def without(self, texts: Set[str]) -> Node:
        """The tree without some of the texts; it shares what has none of them."""
        children = {token: child.without(texts) for token, child in self.children.items()}
        ends = self.ends and self.says not in texts
        if ends == self.ends and all(self.children[token] is children[token] for token in children):
            return self
        kept = Node()
        kept.children = {token: child for token, child in children.items() if child.rest < FAR}
        kept.rest = 0 if ends else min((c.rest + 1 for c in kept.children.values()), default=FAR)
        kept.touching, kept.says = self.touching, self.says if ends else ""
        return kept

    @property
    def ends(self) -> bool:
        """Whether a text is complete here."""
        return self.rest == 0

    @cached_property
    def tokens(self) -> NDArray[np.int64]:
        """What may follow, in the order of ``children``."""
        return np.fromiter(self.children, dtype=np.int64, count=len(self.children))

    @cached_property
    def rests(self) -> NDArray[np.int64]:
        """``rest`` of each child."""
        rests = (child.rest for child in self.children.values())
        return np.fromiter(rests, dtype=np.int64, count=len(self.children))
