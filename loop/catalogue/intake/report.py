"""What an import did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adloom.loop.catalogue.feeds.refusals import Refusal

_MOST_NOTES = 1_000


@dataclass(frozen=True)
class Note:
    """Something to know of a row.

    Attributes:
        kind: "refused" (it is not taken), "no_cutout" or "warning" (it is taken).
        source: name of the feed's file.
        line: where the row begins, from 1.
        product_id: "" where the row gives none.
        text: one line that names the attribute.
    """

    kind: str
    source: str
    line: int
    product_id: str
    text: str

    def __str__(self) -> str:
        who = f" ({self.product_id})" if self.product_id else ""
        return f"{self.source}:{self.line}{who}: {self.text}"


@dataclass
class ImportReport:
    """Counts of an import, and its first thousand notes; ``on_note`` is told of all."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    retired: int = 0
    refused: int = 0
    without_cutout: int = 0
    warnings: int = 0
    notes: list[Note] = field(default_factory=list)
    on_note: Callable[[Note], None] = field(default=lambda note: None, repr=False)

    @property
    def written(self) -> int:
        """Products that the catalogue has otherwise than before."""
        return self.new + self.changed + self.retired

    def refuse(self, refusal: Refusal) -> None:
        """Count a row that is not taken."""
        self.refused += 1
        self._keep(
            Note("refused", refusal.source, refusal.line, refusal.product_id, refusal.reason)
        )

    def note(self, note: Note) -> None:
        """Count what there is to know of a row that is taken."""
        if note.kind == "no_cutout":
            self.without_cutout += 1
        else:
            self.warnings += 1
        self._keep(note)

    def _keep(self, note: Note) -> None:
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(note)
        self.on_note(note)

    def summary(self) -> dict[str, Any]:
        """For programs: counts, and the notes as objects."""
        counts = ("new", "changed", "unchanged", "retired", "refused", "without_cutout", "warnings")
        notes = [
            {
                "kind": note.kind,
                "source": note.source,
                "line": note.line,
                "product_id": note.product_id,
                "text": note.text,
            }
            for note in self.notes
        ]
        return {name: getattr(self, name) for name in counts} | {"notes": notes}
