"""Headers of records that say how the payload is to be read."""

from __future__ import annotations

from collections.abc import Sequence

from adloom.stream.events import EVENT_TYPES, Kind

Headers = Sequence[tuple[str, bytes | None]]
"""As kafka-python gives and takes them."""

MARK = "adloom"
"""On what adloom sent in its own form; its value is the kind of the event."""

SCHEMA_HEADER = "__value_schema_id"
"""Where the schema of the payload is named, when the payload does not."""

MARKS: dict[Kind, list[tuple[str, bytes]]] = {kind: [(MARK, kind.encode())] for kind in EVENT_TYPES}
"""The headers of an event in adloom's own form."""


def mark_of(headers: Headers) -> Kind | None:
    """The kind of an event that adloom sent in its own form."""
    for name, value in headers:
        if name == MARK:
            for kind in EVENT_TYPES:
                if value == kind.encode():
                    return kind
    return None
