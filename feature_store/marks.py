"""How far the stream is in a row, told by the row itself.

Where no step of the store spans a batch, one that was cut off has written some of its rows. When it
comes again, each row leaves out what it has. A user's row decides which events count: one whose
record is in it already counted, unless it is remembered as a duplicate. Duplicates are remembered
for as long as their records may come again.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import mmh3

from adloom.feature_store.progress import Progress

_HEADER = struct.Struct("<HI")  # streams, checksum; 0 = there is none
_RECORD = struct.Struct("<4s4sq")  # of a stream: its place, its life, an offset
_LIVES = 2  # of a topic that was made anew: a writer that is behind may bring the one before


class Stream(NamedTuple):
    """A partition of a topic in one of its lives, as short as a row has room for."""

    place: bytes
    life: bytes

    @classmethod
    def of(cls, topic: str, topic_id: str, partition: int) -> Self:
        return cls(_short(f"{partition}/{topic}"), _short(topic_id))


@dataclass(slots=True)
class RowMarks:
    """Of one row.

    Attributes:
        stored: as the store has them; None where it has none.
        broken: they are not of the values that they came with.
    """

    stored: bytes | None = None
    broken: bool = False
    _reached: dict[Stream, int] = field(default_factory=dict)
    _duplicates: set[tuple[bytes, bytes, int]] = field(default_factory=set)

    @classmethod
    def decode(cls, content: bytes, values: Mapping[str, bytes] | None) -> Self:
        """Reads what `encode` gave; with values, also whether it was of these."""
        streams, checksum = _HEADER.unpack_from(content)
        records = list(_RECORD.iter_unpack(content[_HEADER.size :]))
        marks = cls(
            _reached={Stream(place, life): offset for place, life, offset in records[:streams]},
            _duplicates=set(records[streams:]),
        )
        marks.broken = values is not None and checksum != _checksum(values)
        return marks

    def encode(self, values: Mapping[str, bytes] | None) -> bytes:
        """The marks, of these values if there are any."""
        checksum = 0 if values is None else _checksum(values)
        records = [(*stream, offset) for stream, offset in self._reached.items()]
        records += sorted(self._duplicates)
        header = _HEADER.pack(len(self._reached), checksum)
        return header + b"".join(_RECORD.pack(*record) for record in records)

    def has(self, stream: Stream, offset: int) -> bool:
        """Whether the record is in the row."""
        return offset <= self._reached.get(stream, -1)

    def note(self, stream: Stream, offset: int) -> bool:
        """Notes that the record is in the row; False where it was."""
        if self.has(stream, offset):
            return False
        if stream not in self._reached:
            lives = [known for known in self._reached if known.place == stream.place]
            for gone in lives[: 1 - _LIVES]:
                del self._reached[gone]
        self._reached[stream] = offset
        return True

    def note_duplicate(self, stream: Stream, offset: int) -> None:
        """Remembers that the record did not count."""
        self._duplicates.add((*stream, offset))

    def is_duplicate(self, stream: Stream, offset: int) -> bool:
        """Whether it is remembered."""
        return (*stream, offset) in self._duplicates

    def forget_duplicates(self, done: Mapping[Stream, int]) -> None:
        """Those up to these offsets cannot come again in a batch that was cut off."""
        self._duplicates = {
            record
            for record in self._duplicates
            if record[2] > done.get(Stream(record[0], record[1]), -1)
        }

    def is_beyond(self, places: Mapping[Stream, Progress], *, unknown: bool) -> bool:
        """Whether the row has records that were not applied, of a batch that was cut off.

        Args:
            unknown: what those of a stream are that is not among the places.
        """
        return any(
            unknown if place is None else at > place.applied
            for stream, at in self._reached.items()
            for place in [places.get(stream)]
        )


def _short(text: str) -> bytes:
    return mmh3.hash_bytes(text)[:4]


def _checksum(values: Mapping[str, bytes]) -> int:
    """Of the values of a row; never 0."""
    checksum = 0
    for name in sorted(values):
        checksum = zlib.crc32(values[name], zlib.crc32(name.encode(), checksum))
    return checksum or 1
