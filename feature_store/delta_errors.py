"""What the library of the event log's table says, in one line: its own come over many."""

from __future__ import annotations

import re

_MARKS = re.compile(r"\x1b\[[0-9;]*m|[\u2190-\u21ff]")  # colours and arrows
_MARKUP = re.compile(r"<\?xml[^>]*>|</?\w+>")  # of what a bucket answers
_REFUSED = re.compile(r"<Code>(\w+)</Code>\s*(?:<Message>([^<]+)</Message>)?")  # S3's own words
_MOST = 300  # characters


def one_line(error: Exception) -> str:
    """What a bucket refused, in its words; else the whole chain of causes: the last tells most."""
    if refused := _REFUSED.search(str(error)):
        code, message = refused.groups()
        return f"the bucket's store says {code}" + (
            f" ({message.strip()[:_MOST]})" if message else ""
        )
    told = " ".join(_MARKUP.sub(" ", _MARKS.sub("", str(error))).split())
    if len(told) <= _MOST:
        return told
    half = _MOST // 2
    return f"{told[:half]} … {told[-half:]}"
