"""Lines of files that need not fit into memory, or into a line."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from adloom.stream.events import MAX_PAYLOAD_BYTES

_GZIP = b"\x1f\x8b"


class LineTooLong(ValueError):
    """A line that no event can be; the next ones can still be read."""


@contextmanager
def opened(file: Path) -> Iterator[tuple[IO[bytes], Callable[[], float]]]:
    """The bytes of a file, and what tells the part of it that was read.

    They are unpacked where they are gzip, whatever the name. Raises OSError.
    """
    with file.open("rb") as raw:
        packed = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        size = max(1, os.fstat(raw.fileno()).st_size)

        def part() -> float:
            return raw.tell() / size

        if packed:
            with gzip.open(raw) as unpacked:
                yield unpacked, part  # type: ignore[misc]
        else:
            yield raw, part


class Lines:
    """Lines of text, each of at most as many bytes as an event has.

    Bytes that are not UTF-8 become surrogates, which no field of an event may hold.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.number = 0
        """Of the line that was given last, from 1."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """Raises LineTooLong, after which the next line comes; OSError, EOFError."""
        line = self._source.readline(MAX_PAYLOAD_BYTES + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_PAYLOAD_BYTES:
            while line and not line.endswith(b"\n"):
                line = self._source.readline(MAX_PAYLOAD_BYTES)
            raise LineTooLong(f"longer than {MAX_PAYLOAD_BYTES} bytes")
        encoding = "utf-8-sig" if self.number == 1 else "utf-8"
        return line.decode(encoding, errors="surrogateescape")
