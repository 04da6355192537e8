"""Products that a batch cannot draw are told before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from adloom.loop.batch.ids import UnfitInput
from adloom.loop.batch.plan import Pair
from adloom.loop.catalogue.store import Catalogue

_AT_ONCE = 1_000
_TOLD = 5


class SoldProducts:
    """Looks each product up once. What is wrong with some is told of all of them together."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: set[str] = set()
        self._unknown: list[str] = []
        self._retired: list[str] = []
        self._lost: list[str] = []

    def look(self, product_ids: Iterable[str]) -> None:
        """Look at some products; :meth:`refuse` tells what is wrong."""
        new = [name for name in dict.fromkeys(product_ids) if name not in self._known]
        self._known.update(new)
        for start in range(0, len(new), _AT_ONCE):
            some = new[start : start + _AT_ONCE]
            found = self._catalogue.find(some)
            self._unknown += [name for name in some if name not in found]
            self._retired += [name for name, product in found.items() if product.retired]
            for name, product in found.items():
                picture = product.cutout_name or product.shown_name
                if picture and not product.retired and not self._catalogue.pictures.has(picture):
                    self._lost.append(name)

    def refuse(self, *, begun: bool = False) -> None:
        """Raises UnfitInput where some cannot be drawn; one that is ``begun`` keeps its plan."""
        told = [
            f"{what} {len(names):,} of {len(self._known):,} products ({_some(names)})"
            for names, what in (
                (self._unknown, "the catalogue does not have"),
                (self._retired, "retired, and not sold any more:"),
                (self._lost, "the pictures are lost of"),
            )
            if names
        ]
        if told:
            without = "draw the others into another --out" if begun else "leave them out"
            raise UnfitInput(
                f"{'; '.join(told)}: import them (adloom catalog import), or {without}"
            )

    def of_pairs(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """The pairs, their products looked at. Raises UnfitInput at their end."""
        rest = iter(pairs)
        while some := list(islice(rest, _AT_ONCE)):
            self.look(product for _, product in some)
            yield from some
        self.refuse()


def _some(names: list[str]) -> str:
    return ", ".join(names[:_TOLD]) + (", ..." if len(names) > _TOLD else "")
