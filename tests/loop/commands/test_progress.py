"""Long commands say how far they are, also where their words go into a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from adloom.loop.commands import progress
from adloom.loop.commands.progress import progress_told


def lines(parts: list[float], monkeypatch: pytest.MonkeyPatch, every_seconds: float) -> list[str]:
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", every_seconds)
    written = io.StringIO()
    with progress_told(Console(file=written), "Reading", "rows") as tell:
        monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 1e9)  # after the first line
        for part in parts:
            tell(part, int(part * 1_000))
    return written.getvalue().splitlines()


def test_where_lines_were_told_the_last_one_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lines([0.2, 0.5, 1.0], monkeypatch, 0)
    assert told == ["Reading: 20%, 200 rows", "Reading: 100%, 1,000 rows"]


def test_what_is_done_at_once_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines([0.5, 1.0], monkeypatch, 1e9) == []
