"""The base that draws, and what makes vectors of texts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from adloom.loop.doctor.finding import Check, Finding, judged
from adloom.loop.settings import Settings
from adloom.models.folders import no_base

PART = "base"


def base_check(settings: Settings) -> Check:
    """Of `[generator] path` and `[catalog] text_encoder`."""
    path = settings.generator.path
    where = "the bundled demo model" if path is None else str(path)
    look = partial(_look, path, where, settings.catalog.text_encoder)
    return Check(PART, where, "generator.path", look)


def _look(path: Path | None, where: str, encoder: str | None) -> Iterator[Finding]:
    wrong = [] if (problem := no_base(path)) is None else [problem]
    if encoder is None:
        texts = "texts by MiniLM"
    else:
        texts = f"texts by {encoder}"
        if Path(encoder).is_absolute() and not Path(encoder).is_dir():
            wrong.append(f"catalog.text_encoder: there is no folder {encoder}")
    yield judged(PART, f"{where}, {texts}", wrong, [])
