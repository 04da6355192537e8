"""What every place for files can do, and what is told where it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol


class PicturesAway(RuntimeError):
    """The place where pictures are kept cannot be used; the message says why and what to do."""


class Files(Protocol):
    """Content under the SHA-256 (hex) of its bytes. For several threads and processes at once.

    Everything raises PicturesAway while the place cannot be used.
    """

    def put(self, content: bytes) -> str:
        """Keep content; returns its name. What is whole there already is left as it is."""
        ...

    def read(self, name: str) -> bytes | None:
        """The content of a name; None where there is none, or it is damaged."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a file, by a look that does not read it."""
        ...

    def remove(self, name: str) -> None:
        """Nothing is kept under a name any more."""
        ...

    def older(self, before: datetime) -> Iterator[list[str]]:
        """Names of all that was last put before a moment, some at a time; all of it is listed."""
        ...

    def let_go(self) -> None:
        """What was read stays in memory no longer: another machine may have removed it."""
        ...
