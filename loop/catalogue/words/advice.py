"""What a shop should know of a product before its ads are drawn."""

from __future__ import annotations

from collections.abc import Iterator

from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.words.titles import TitleWords
from adloom.models.title_room import TitleRoom


class TitleAdvice:
    """Tells of names that titles cannot say whole, and of banned words in names."""

    def __init__(self, room: TitleRoom, words: TitleWords) -> None:
        """``room`` is that of the generator that writes the titles."""
        self._room = room
        self._words = words

    def __call__(self, product: Product) -> Iterator[str]:
        """One line for each thing to know; none where titles need not say the name."""
        rules = self._words.rules(product)
        usable = rules.phrases(product.selling_points, "")
        try:
            fitted = self._room.fitted(product.name, product.short_name, usable)
        except ValueError as error:
            yield f"title: {error}"
            return
        if fitted is None:
            return
        if fitted.cut:
            better = "a shorter short_title" if product.short_name else "a short_title"
            yield (
                f"title: needs {fitted.needed} of {self._room.tokens} tokens, ads say "
                f"{fitted.own!r}{'' if fitted.tells else ' and nothing that the model writes'}; "
                f"give it {better}"
            )
        banned = rules.banned_in(fitted.own)
        if banned is not None:
            yield f"title: has the banned word {banned!r}, and so will its ads"
