"""Rows of XML: Google's RSS 2.0 and Atom, and plain ``<product>`` elements, at any depth.

Expat reads them bit by bit, and no tree is built. A document type is refused: feeds have none,
and without one there are no entities that expand or read files.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice
from xml.parsers import expat

from adloom.loop.catalogue.feeds.columns import Columns, Fields, gathered
from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
from adloom.loop.catalogue.feeds.rows import MAX_ROW_CHARS, RawRow

_ITEMS = frozenset({"item", "entry", "product"})
_GOOGLE = "http://base.google.com/ns/1.0"
_CHUNK_BYTES = 64 << 10
_MAX_DEPTH = 100
_MAX_TOKEN_BYTES = 1 << 20
_LOOKED_AT = 100  # items in which names told by the settings must be found


def xml_rows(file: io.BufferedReader, columns: Columns) -> Iterator[RawRow]:
    """The items of a feed. Raises FeedUnreadable where it is not XML (any more)."""
    items = _items(file)
    begin = list(islice(items, _LOOKED_AT))
    names = {one: None for item in begin for name, _ in item.values for one in _names(name)}
    found = {attribute for attribute, told in columns.told.items() if told in names}
    warnings = columns.absent(found, names) if names else ()
    for item in chain(begin, items):
        if item.too_large:
            yield RawRow(item.line, reason=f"row: is larger than {MAX_ROW_CHARS >> 10} KiB")
        else:
            yield RawRow(item.line, _fields(item, columns), warnings=warnings)
            warnings = ()


def _names(name: str) -> tuple[str, ...]:
    """With and without Google's prefix; the settings may tell either."""
    return (name, name.removeprefix("g:")) if name.startswith("g:") else (name,)


class _Item:
    """One item: the texts of its child elements, in order."""

    def __init__(self, line: int, depth: int) -> None:
        self.line = line
        self.depth = depth
        self.values: list[tuple[str, str]] = []
        self.of_google: set[str] = set()
        self.too_large = False
        self._text: list[str] = []
        self._chars = 0

    def add(self, text: str) -> None:
        """A bit of the child's text."""
        self._chars += len(text)
        if self._chars > MAX_ROW_CHARS:
            self.too_large = True
            self._text.clear()
            self.values.clear()
        else:
            self._text.append(text)

    def begin_child(self) -> None:
        self._text.clear()

    def end_child(self, namespace: str, name: str) -> None:
        self.add(name)  # many empty children count too
        if self.too_large:
            return
        text = "".join(self._text[:-1]).strip()
        self._text.clear()
        self.values.append((name, text))
        if namespace == _GOOGLE:
            self.of_google.add(name)
            self.values[-1] = (f"g:{name}", text)


def _fields(item: _Item, columns: Columns) -> Fields:
    """Values by attribute; RSS's and Atom's own title stands back behind Google's."""
    told = {name: attribute for attribute, name in columns.told.items()}
    pairs = []
    for name, text in item.values:
        plain = name.removeprefix("g:")
        if name == plain and plain in item.of_google:
            continue
        for attribute, own in columns.told.items():
            if own in (name, plain):
                pairs.append((attribute, text))
        if name not in told and plain not in told and (usual := columns.usual(plain)):
            pairs.append((usual, text))
    return gathered(pairs)


def _items(file: io.BufferedReader) -> Iterator[_Item]:
    """Items as they end."""
    reader = _Reader()
    try:
        while chunk := file.read1(_CHUNK_BYTES):
            reader.feed(chunk)
            yield from reader.taken()
        reader.feed(b"", last=True)
        yield from reader.taken()
    except expat.ExpatError as error:
        yield from reader.taken()
        what = expat.ErrorString(error.code)
        raise FeedUnreadable(f"line {error.lineno}: is not well-formed XML: {what}") from error
    except (ValueError, LookupError) as error:  # an encoding that expat or Python has not
        if isinstance(error, FeedUnreadable):
            raise
        raise FeedUnreadable(f"its XML has an encoding that cannot be read: {error}") from error


class _Reader:
    """Expat's events, gathered to items."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_document_type
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._fed = 0
        self._depth = 0
        self._item: _Item | None = None
        self._done: deque[_Item] = deque()

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        """Raises ExpatError, FeedUnreadable."""
        self._parser.Parse(chunk, last)
        self._fed += len(chunk)
        # What expat keeps because its end has not come yet, such as an attribute of megabytes.
        if self._fed - max(self._parser.CurrentByteIndex, 0) > _MAX_TOKEN_BYTES:
            raise FeedUnreadable(f"has a tag of more than {_MAX_TOKEN_BYTES >> 20} MiB")

    def taken(self) -> Iterator[_Item]:
        """The items that have ended, each once."""
        while self._done:
            yield self._done.popleft()

    def _refuse_document_type(self, *declared: object) -> None:
        raise FeedUnreadable("has a document type (<!DOCTYPE ...>); leave it out, feeds need none")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise FeedUnreadable(f"has more than {_MAX_DEPTH} elements inside each other")
        local = name.rpartition(" ")[2]
        if self._item is None:
            if local in _ITEMS:
                self._item = _Item(self._parser.CurrentLineNumber, self._depth)
        elif self._depth == self._item.depth + 1:
            self._item.begin_child()
            if local == "link" and attributes.get("rel", "alternate") == "alternate":
                self._item.add(attributes.get("href", ""))  # Atom's way

    def _end(self, name: str) -> None:
        item = self._item
        if item is not None and self._depth == item.depth + 1:
            namespace, _, local = name.rpartition(" ")
            item.end_child(namespace, local)
        elif item is not None and self._depth == item.depth:
            self._done.append(item)
            self._item = None
        self._depth -= 1

    def _text(self, text: str) -> None:
        if self._item is not None and self._depth > self._item.depth:
            self._item.add(text)
