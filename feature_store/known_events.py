"""Which events of a user are in the features: exactly, for as long as the features are.

An event is known by a fingerprint of its kind and id. The newest lie in the user's row, which is
written with every event. When they are enough for a page, they become a row of their own, which is
never written again. Only users who have pages cost more than their row, and only when they are
opened.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import mmh3
import numpy as np
from feast.protos.feast.types.Value_pb2 import Value

from adloom.feature_store import wire
from adloom.feature_store.logged import LoggedEvent

FINGERPRINTS_OF_A_PAGE = 128
_FINGERPRINT_BYTES = 8
_PAGE_BYTES = FINGERPRINTS_OF_A_PAGE * _FINGERPRINT_BYTES
# Pages, and the partition + 1 that the newest event came in. Twelve bytes: a row without them, as
# earlier versions wrote it, is told by its length.
_HEADER = struct.Struct("<QI")


@dataclass
class PageRow:
    """Fingerprints of one page, as they came."""

    events: bytes = b""

    @classmethod
    def from_values(cls, values: Mapping[str, bytes]) -> Self:
        """Reads what `to_values` wrote."""
        return cls(Value.FromString(values["events"]).bytes_val)

    def to_values(self) -> dict[str, bytes]:
        return {"events": wire.bytes_value(self.events)}

    def changes(self) -> dict[str, bytes]:
        return self.to_values()

    @property
    def whole(self) -> bool:
        """Whether it is there, and as long as every page."""
        return len(self.events) == _PAGE_BYTES


@dataclass(slots=True)
class KnownEvents:
    """The fingerprints of a user's events.

    Attributes:
        pages: how many pages there are, those of `full` too.
        partition: that the newest event came in; None where no version noted it.
        full: pages that are not stored yet, by number.
        needs_pages: whether older fingerprints must be given by `know` first.
    """

    pages: int = 0
    partition: int | None = None
    full: dict[int, PageRow] = field(default_factory=dict)
    _recent: bytearray = field(default_factory=bytearray)
    _older: array[int] | None = None  # sorted

    @classmethod
    def decode(cls, stored: bytes) -> Self:
        """Reads what `encode` gave."""
        if len(stored) % _FINGERPRINT_BYTES == 0:
            return cls(_recent=bytearray(stored))
        pages, after = _HEADER.unpack_from(stored)
        return cls(pages, after - 1 if after else None, _recent=bytearray(stored[_HEADER.size :]))

    def encode(self) -> bytes:
        """The newest fingerprints and what is known of the others."""
        after = 0 if self.partition is None else self.partition + 1
        return _HEADER.pack(self.pages, after) + self._recent

    @property
    def needs_pages(self) -> bool:
        return self.pages > 0 and self._older is None

    def know(self, pages: Sequence[PageRow]) -> None:
        """Takes the older fingerprints, those of all pages."""
        self._older = _sorted(b"".join(page.events for page in pages))

    def without(self, known: Collection[bytes], pages: Sequence[PageRow]) -> KnownEvents:
        """All events but these, by their fingerprints; its pages are all to be written anew.

        Args:
            pages: all that there are.
        """
        every = b"".join(page.events for page in pages) + self._recent
        kept = KnownEvents(partition=self.partition)
        for fingerprint in _each(every):
            if fingerprint not in known:
                kept._recent += fingerprint
        while len(kept._recent) >= _PAGE_BYTES:
            kept._turn_page()
        return kept

    def all(self, pages: Sequence[PageRow]) -> set[bytes]:
        """The fingerprints of all events; the pages are all that there are."""
        return set(_each(b"".join(page.events for page in pages) + self._recent))

    def add(self, event: LoggedEvent) -> bool:
        """Notes an event; False where it is known."""
        fingerprint = fingerprint_of(event)
        # It could also be found across two others, as rarely as two ids share a fingerprint.
        if fingerprint in self._recent:
            return False
        if self._older is not None and self._is_older(fingerprint):
            return False
        self._recent += fingerprint
        while len(self._recent) >= _PAGE_BYTES:
            self._turn_page()
        return True

    def _is_older(self, fingerprint: bytes) -> bool:
        older = self._older
        assert older is not None
        number = int.from_bytes(fingerprint, "little")
        place = bisect_left(older, number)
        return place < len(older) and older[place] == number

    def _turn_page(self) -> None:
        page = PageRow(bytes(self._recent[:_PAGE_BYTES]))
        del self._recent[:_PAGE_BYTES]
        self.full[self.pages] = page
        self.pages += 1
        older = b"" if self._older is None else self._older.tobytes()
        self._older = _sorted(older + page.events)


def fingerprint_of(event: LoggedEvent) -> bytes:
    """What an event of a user is known by, 8 bytes."""
    return mmh3.hash_bytes(f"{event.kind}/{event.event_id}")[:_FINGERPRINT_BYTES]


def _each(fingerprints: bytes | bytearray) -> Iterator[bytes]:
    for start in range(0, len(fingerprints), _FINGERPRINT_BYTES):
        yield bytes(fingerprints[start : start + _FINGERPRINT_BYTES])


def _sorted(fingerprints: bytes) -> array[int]:
    numbers = np.frombuffer(fingerprints, dtype="<u8")
    ordered = np.sort(numbers, kind="stable")  # what is in order already costs next to nothing
    return array("Q", ordered.astype("=u8", copy=False).tobytes())
