"""Opens feeds: which files, of which format, expanded where they are compressed."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
from adloom.loop.settings.catalogue import FeedFormat

_FORMATS: dict[str, FeedFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".xml": "xml",
    ".rss": "xml",
    ".atom": "xml",
    ".parquet": "parquet",
    ".txt": "csv",  # Google's text feeds: the separator is found in the header
}
_BUFFER_BYTES = 64 << 10  # the sample by which format and encoding are found
_GZIP = b"\x1f\x8b"
# Texts compress to a tenth or so; what expands far more was made to fill disks.
_MAX_EXPANSION = 100
_FREE_EXPANSION = 64 << 20


def feed_files(path: Path) -> list[Path]:
    """The file, or the feeds of a folder in the order of their names. Raises FeedUnreadable."""
    if not path.is_dir():
        if not path.is_file():
            raise FeedUnreadable(f"{path}: there is no such feed")
        return [path]
    files = sorted(
        file
        for file in path.iterdir()
        if file.is_file() and not file.name.startswith(".") and format_by_name(file)
    )
    if not files:
        raise FeedUnreadable(f"{path}: the folder has no feed ({', '.join(_FORMATS)}, or .gz)")
    return files


def format_by_name(path: Path) -> FeedFormat | None:
    """The format that the file's name tells, ``.gz`` aside."""
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return _FORMATS.get(name.suffix.lower())


def format_of(path: Path, file: io.BufferedReader) -> FeedFormat:
    """By the file's name, else by how its content begins."""
    by_name = format_by_name(path)
    if by_name is not None:
        return by_name
    begin = file.peek(64)[:64]
    if begin.startswith(b"PAR1"):
        return "parquet"
    first = begin.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1]
    return "xml" if first == b"<" else "jsonl" if first in (b"{", b"[") else "csv"


def open_feed(path: Path) -> io.BufferedReader:
    """The file's bytes, expanded where it is gzip by content.

    Raises FeedUnreadable, then and at any read.
    """
    try:
        file: io.BufferedReader = io.BufferedReader(io.FileIO(path), _BUFFER_BYTES)
    except OSError as error:
        raise FeedUnreadable(f"cannot be opened: {error.strerror}") from error
    try:
        if not file.peek(2).startswith(_GZIP):
            return file
        return io.BufferedReader(_Expanded(file, path.stat().st_size), _BUFFER_BYTES)
    except OSError as error:
        file.close()
        raise FeedUnreadable(f"cannot be read: {error.strerror}") from error


class _Expanded(io.RawIOBase):
    """What a gzip file holds, up to a size that honest feeds do not reach."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._gzip = gzip.GzipFile(fileobj=file)
        self._left = max(size * _MAX_EXPANSION, _FREE_EXPANSION)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            data = self._gzip.read1(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise FeedUnreadable(f"the gzip file is broken: {error}") from error
        self._left -= len(data)
        if self._left < 0:
            raise FeedUnreadable(
                f"expands to more than {_MAX_EXPANSION} times its size; unpack it if it is right"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._gzip.close()
        self._file.close()
        super().close()
