"""In which encoding a text feed is written: told, marked, UTF-8, or safely found."""

from __future__ import annotations

import codecs
import io
from typing import TextIO

from charset_normalizer import from_bytes

_SAMPLE_BYTES = 64 << 10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# How texts of a language were written before UTF-8. A guess counts only where it is this.
_OLD_ENCODINGS = {
    "cp1252": "da de en es fi fr ga is it nb nl nn no pt sv",
    "cp1250": "cs hr hu pl ro sk sl",
    "cp1251": "bg mk ru uk",
    "cp1253": "el",
    "cp1254": "tr",
    "cp932": "ja",
    "gb18030": "zh",
    "cp949": "ko",
}
_OLD_ENCODING_OF = {
    language: encoding
    for encoding, languages in _OLD_ENCODINGS.items()
    for language in languages.split()
}


def decoded(file: io.BufferedReader, told: str | None, language: str) -> TextIO:
    """The file as text, line ends as they are.

    Bytes that the encoding has not become characters that no text has (lone surrogates, U+FFFD):
    rows with one are refused later, the others are read. ``language`` is that of the shop.
    """
    encoding = told or encoding_of(file.peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES], language)
    exact = not encoding.startswith(("utf-16", "utf-32"))
    return io.TextIOWrapper(
        file, encoding, errors="surrogateescape" if exact else "replace", newline=""
    )


def encoding_of(sample: bytes, language: str) -> str:
    """The encoding of a feed that begins with ``sample``.

    Without a mark it is UTF-8 where any of its lines is UTF-8 beyond ASCII. Else the encoding in
    which texts of ``language`` were written before, if charset-normalizer finds the same by the
    bytes alone. Else UTF-8, whose rows are then refused one by one.
    """
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    whole, _, cut = sample.rpartition(b"\n")  # a line that is cut may end within a character
    lines = [line for line in (whole or cut).splitlines() if not line.isascii()]
    if not lines or any(_is_utf8(line) for line in lines):
        return "utf-8"
    old = _OLD_ENCODING_OF.get(language.split("-")[0])
    best = from_bytes(b"\n".join(lines)).best()
    return old if old and best and old in best.could_be_from_charset else "utf-8"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
