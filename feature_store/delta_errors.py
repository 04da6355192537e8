"""What the library of the event log's table says, in one line: its own come over many."""

from __future__ import annotations

import re

_MARKS = re.compile(r"\x1b\[[0-9;]*m|[\u2190-\u21ff]")  # colours and arrows
_MARKUP = re.compile(r"<\?xml[^>]*>|</?\w+>")  # of what a bucket answers
_MOST = 300  # characters


def one_line(error: Exception) -> str:
    """The whole chain of causes: the last of them tells most."""
    told = " ".join(_MARKUP.sub(" ", _MARKS.sub("", str(error))).split())
    if len(told) <= _MOST:
        return told
    half = _MOST // 2
    return f"{told[:half]} … {told[-half:]}"
