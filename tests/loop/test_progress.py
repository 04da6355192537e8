"""Long commands say how far they are, also where their words go into a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from adloom.loop import progress
from adloom.loop.progress import Bars, progress_told, steps_told


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


def test_steps_are_told_as_they_go_and_what_is_done_besides_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 0.0)
    written = io.StringIO()
    with steps_told(Console(file=written), "Training", 1_200) as (say, on_step):
        for _ in range(2):
            say("Waiting: 3 of 50 new clicks")
        on_step(600, 2.31)
        assert written.getvalue().endswith("Training: 50%, step 600 of 1,200, loss 2.310\n")
        say("Waiting: 3 of 50 new clicks")
        on_step(1_200, 2.0)
    assert written.getvalue().splitlines() == [
        "Waiting: 3 of 50 new clicks",
        "Training: 50%, step 600 of 1,200, loss 2.310",
        "Waiting: 3 of 50 new clicks",
        "Training: 100%, step 1,200 of 1,200, loss 2.000",
    ]


def test_bars_are_lines_where_they_are_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 0.0)
    written = io.StringIO()
    with Bars(Console(file=written)) as bars:
        rendering = bars.add_task("Rendering", total=2)
        bars.advance(rendering)
        training = bars.add_task("Training", total=1_200)
        bars.update(training, completed=600, note="loss 2.310")
        bars.advance(training, 600)
    assert written.getvalue().splitlines() == [
        "Rendering …",
        "Rendering: 50%, 1 of 2",
        "Training …",
        "Training: 50%, 600 of 1,200, loss 2.310",
        "Training: 100%, 1,200 of 1,200, loss 2.310",
    ]


def test_quiet_bars_tell_nothing_and_bars_on_a_terminal_are_no_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 0.0)
    written, shown = io.StringIO(), io.StringIO()
    for bars in (
        Bars(Console(file=written), quiet=True),
        Bars(Console(file=shown, force_terminal=True)),
    ):
        with bars:
            bars.advance(bars.add_task("Rendering", total=2))
    assert written.getvalue() == ""
    assert "Rendering" in shown.getvalue()
    assert "…" not in shown.getvalue()
