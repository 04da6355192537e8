"""Titles that name the product, claim nothing but what it has, and end where they are complete.

Source: Uni-AdGen, section 3.4, has the title written from the product's selling-point words. Here
a title is made of style words and of the product's own phrases, each whole, its name among them.

Each is a path of tokens, as the tokenizer spells it, so a title can end in no name, word or
character, and what it takes to complete one is known in every place: a token that leaves too
little room for that is not allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from adloom.models.titles.languages import punctuation
from adloom.models.titles.points import Points
from adloom.models.titles.rules import TitleRules
from adloom.models.titles.scripts import tidied
from adloom.models.titles.spelling import FAR, Node, Speller, speller
from adloom.models.titles.units import Units, following, style_units, units

_UNITS_A_SIDE = 5
"""Enough for every tone of the demo shop; without a bound a title may never come to its name."""
_MOST_STATES = 4096
"""Kept a product: more than its titles come to, unless a model draws at random."""


class _Part(Enum):
    NAME = "the name"
    UNIT = "a phrase"
    BEFORE_SPACE = "a mark with a space after it"
    BEFORE_WORD = "a mark with none"
    END = "the mark at the end"
    DONE = "nothing more"


class _Place(NamedTuple):
    """Somewhere in a title; ``units`` are those that are complete on this side of the name, and
    ``last`` is the text before a mark, which the next one may not say again. ``told`` are the
    product's phrases that have been said, on both sides."""

    node: Node
    part: _Part
    named: bool
    units: int
    last: str = ""
    told: frozenset[str] = frozenset()


@dataclass(eq=False)
class _State:
    """Where a title may be after its tokens so far, and what may follow.

    ``needs`` has for each of ``tokens`` how many more a title then takes at least.
    """

    places: frozenset[_Place]
    tokens: Tensor
    needs: Tensor
    after: dict[int, _State] = field(default_factory=dict)


class TitleConstraint:
    """What the title of one product may be.

    It is the product's name, or one of its phrases where it need not be named, with up to five
    units before and after it. A unit is a style word or
    a phrase of the product; the language's marks are between, or nothing but a space, or, where
    words have no spaces, nothing. Each may begin with a small or a capital letter:
    :func:`adloom.models.titles.mentions.spelt` gives the name its own back. No unit says a word of
    the one before it again, and none a phrase of the product that was said, or part of it.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        name: str,
        phrases: Sequence[str],
        rules: TitleRules,
        length: int,
    ) -> None:
        """Allow the name, ``phrases`` as far as ``rules`` do and they add to it, and style words.

        Args:
            tokenizer: byte-level BPE, as that of the bundled model and of Janus-Pro.
            name: as :func:`adloom.models.titles.fit.title_name` gives it.
            length: tokens of the longest title, its end counted.

        Raises:
            ValueError: the name cannot be spelt or does not fit; it is empty, and so do all
                phrases; or the tokenizer is not byte-level.
        """
        unseen, name = bool(name) and not tidied(name), tidied(name)
        self._eos: int = tokenizer.eos_token_id
        self._size, self._length = len(tokenizer), length
        spell, language = speller(tokenizer), rules.language
        own = rules.phrases(phrases, name)
        if unseen or not (name or own):
            raise ValueError("a title needs the name of its product, or a word that it may say")
        self._points = Points(own)
        # Also those that the name says: a style word would say them once more.
        all_points = Points(rules.phrases(phrases, ""))
        style = all_points.unsaid_by(style_units(tokenizer, rules))
        self._units = (units(own, spell, language), style)
        # A title has one of these: what is called the name here.
        wanted = units([name], spell, language, any_case=True) if name else self._units[0]
        self._name = (wanted,)
        self._marks = _Marks(language, spell)
        self._to_name = self._marks.least_to(self._name)
        self._nameless = not name
        self._after: dict[tuple[str, frozenset[str]], tuple[Units, ...]] = {}
        self._states: dict[frozenset[_Place], _State] = {}
        opening = _Place(Node(), _Part.UNIT, named=False, units=0)
        start = *self._bare(opening), *self._bare(opening, apart=True)
        self._start = self._state(start)
        if not bool(self.allowed([]).any()):
            what = f"the name {name!r}" if name else f"none of {own}"
            raise ValueError(f"{what} does not fit into {length} tokens")

    def allowed(self, ids: Sequence[int]) -> Tensor:
        """What may follow ``ids``: bool ``(vocabulary,)`` on the CPU.

        There is always something. After its end a title has no say in what follows: everything
        is allowed.

        Raises:
            ValueError: no title of the product begins with ``ids``.
        """
        if self._eos in ids:
            return torch.ones(self._size, dtype=torch.bool)
        if len(self._states) > _MOST_STATES:
            self._states.clear()
            self._start = self._state(self._start.places)
        state = self._start
        for token in ids:
            state = state.after.get(token) or self._next(state, token)
        mask = torch.zeros(self._size, dtype=torch.bool)
        mask[state.tokens[state.needs < self._length - len(ids)]] = True
        return mask

    def _next(self, state: _State, token: int) -> _State:
        places = frozenset(
            reached
            for place in state.places
            if token in place.node.children
            for reached in self._reached(place, place.node.children[token])
        )
        if not places:
            raise ValueError("no title of this product begins like that")
        state.after[token] = self._state(places)
        return state.after[token]

    def _state(self, places: Iterable[_Place]) -> _State:
        places = frozenset(places)
        if places not in self._states:
            self._states[places] = self._made(places)
        return self._states[places]

    def _made(self, places: frozenset[_Place]) -> _State:
        tokens = [place.node.tokens for place in places]
        needs = [place.node.rests + self._then(place) for place in places]
        if any(place.part is _Part.DONE for place in places):
            tokens.append(np.array([self._eos]))
            needs.append(np.array([0]))
        return _State(
            places,
            torch.from_numpy(np.concatenate(tokens)),
            torch.from_numpy(np.concatenate(needs)),
        )

    def _then(self, place: _Place) -> int:
        """Tokens that a title takes at least once the part is complete, its end counted."""
        if place.part in (_Part.BEFORE_SPACE, _Part.BEFORE_WORD):
            parts = self._following(place) if place.named else self._name
            return _least(parts, bare=place.part is _Part.BEFORE_WORD) + 1
        return self._to_name + 1 if place.part is _Part.UNIT and not place.named else 1

    def _reached(self, place: _Place, node: Node) -> Iterator[_Place]:
        """Where a title is that came from ``place`` to ``node``."""
        part = place.part
        if node.children:
            yield place._replace(node=node)
        if not node.ends:
            return
        if part is _Part.END:
            yield _DONE
        elif part is _Part.BEFORE_SPACE:
            yield from self._spaced(place)
        elif part is _Part.BEFORE_WORD:
            yield from self._bare(place)
            yield from self._bare(place, apart=True)
        elif part is _Part.NAME:
            says = node.says if self._nameless else ""
            yield from self._complete(node, self._said(place, says)._replace(named=True, units=0))
        else:
            said = self._said(place, node.says)
            yield from self._complete(node, said._replace(units=place.units + 1))

    def _said(self, place: _Place, text: str) -> _Place:
        return place._replace(last=text, told=place.told | self._points.said_by(text))

    def _complete(self, node: Node, place: _Place) -> Iterator[_Place]:
        """What may follow a name or unit that ends in ``node``, which ``place`` counts."""
        marks = self._marks
        if place.named:
            yield _DONE
            yield _Place(marks.end, _Part.END, True, place.units)
        none_follows = marks.least_to(self._following(place)) >= FAR
        if place.named and (place.units == _UNITS_A_SIDE or none_follows):
            return
        yield place._replace(node=marks.before_space, part=_Part.BEFORE_SPACE)
        yield place._replace(node=marks.before_word, part=_Part.BEFORE_WORD)
        if marks.space:
            yield from self._spaced(place)
        if marks.joins:
            yield from self._bare(place)
            if not node.touching:
                yield from self._bare(place, apart=True)

    def _spaced(self, place: _Place) -> Iterator[_Place]:
        for part, one in self._parts(place):
            yield place._replace(node=one.spaced, part=part, last="")

    def _bare(self, place: _Place, *, apart: bool = False) -> Iterator[_Place]:
        for part, one in self._parts(place):
            node = one.apart if apart else one.joined
            yield place._replace(node=node, part=part, last="")

    def _parts(self, place: _Place) -> Iterator[tuple[_Part, Units]]:
        if not place.named:
            yield _Part.NAME, self._name[0]
        if place.units < _UNITS_A_SIDE:
            yield from ((_Part.UNIT, one) for one in self._following(place))

    def _following(self, place: _Place) -> tuple[Units, ...]:
        """The units that may follow a text."""
        key = place.last, place.told
        if key not in self._after:
            own, style = self._untold(place)
            self._after[key] = following(own, place.last), following(style, place.last)
        return self._after[key]

    def _untold(self, place: _Place) -> tuple[Units, Units]:
        """The product's phrases that have not been said, and style words.

        Without a name, the first phrase of the product is what stands for it.
        """
        own, style = self._units
        if self._nameless and not place.named:
            return _NO_UNITS, style
        return own.without(place.told), style


_NO_UNITS = Units()
_DONE = _Place(Node(), _Part.DONE, named=True, units=0)


class _Marks:
    """The punctuation of a language as trees."""

    def __init__(self, language: str, spell: Speller) -> None:
        marks = punctuation(language)
        self.end, self.before_space, self.before_word = Node(), Node(), Node()
        self.space, self.joins = " " in marks.between, "" in marks.between
        for mark in marks.end:
            _add(self.end, mark, spell)
        for mark in marks.between:
            if mark.strip():
                _add(self.before_space if mark.endswith(" ") else self.before_word, mark, spell)

    def least_to(self, parts: Sequence[Units]) -> int:
        """Tokens from the end of a unit to that of the nearest of ``parts``, whatever the two."""
        spaced, bare = _least(parts, bare=False), _least(parts, bare=True)
        return min(
            spaced if self.space else FAR,
            self.before_space.rest + spaced,
            self.before_word.rest + bare,
        )


def _add(node: Node, mark: str, spell: Speller) -> None:
    tokens = spell.spell(mark.removesuffix(" "))
    if tokens is not None:
        node.add(tokens)


def _least(parts: Sequence[Units], *, bare: bool) -> int:
    roots = [(one.joined, one.apart) if bare else (one.spaced,) for one in parts]
    return min(root.rest for pair in roots for root in pair)
