"""What a shop should know of a product before its ads are drawn."""

from __future__ import annotations

from collections.abc import Iterator

from transformers import PreTrainedTokenizerFast

from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.words.titles import TitleWords
from adloom.models.titles.fit import fit_name


class TitleAdvice:
    """Tells of names that titles cannot say whole, and of banned words in names."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, title_tokens: int, words: TitleWords
    ) -> None:
        """``title_tokens`` is how many a title of the model has room for."""
        self._tokenizer = tokenizer
        self._room = title_tokens
        self._words = words

    def __call__(self, product: Product) -> Iterator[str]:
        """One line for each thing to know."""
        name, short = product.name, product.short_name
        try:
            fitted = fit_name(self._tokenizer, name, short, self._room)
        except ValueError as error:
            yield f"title: {error}"
            return
        if fitted.cut:
            better = "a shorter short_title" if short else "a short_title"
            yield (
                f"title: needs {fitted.needed} of {self._room} tokens, ads say {fitted.text!r}; "
                f"give it {better}"
            )
        banned = self._words.banned_in_name(product)
        if banned is not None:
            yield f"title: has the banned word {banned!r}, and so will its ads"
