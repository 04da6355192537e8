"""How far a long command is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_LINE_EVERY_SECONDS = 5.0

Told = Callable[[float | None, int], None]
"""Takes the part that is done, 0 to 1, or None where it is not known, and a number of things."""


@contextmanager
def progress_told(console: Console, doing: str, things: str) -> Iterator[Told]:
    """Tells how far the block is: `Replaying: 40 %, 12,000 events`."""
    if not console.is_terminal:
        with _in_lines(console, doing, things) as tell:
            yield tell
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(doing, total=1.0, count="")

        def tell(part: float | None, count: int) -> None:
            total = None if part is None else 1.0
            progress.update(task, completed=part, total=total, count=f"{count:,} {things}")

        yield tell


@contextmanager
def rows_told(
    console: Console, doing: str, things: str, total: int | None
) -> Iterator[Callable[[int], None]]:
    """Tells how far the block is by the number of rows, of about ``total`` (None: unknown)."""
    with progress_told(console, doing, things) as tell:
        seen = 0

        def on_rows(rows: int) -> None:
            nonlocal seen
            seen += rows
            tell(min(1.0, seen / total) if total else 0.0, seen)

        yield on_rows
        tell(1.0, seen)


@contextmanager
def _in_lines(console: Console, doing: str, things: str) -> Iterator[Told]:
    """A line every few seconds, and where there was one, also of the end."""
    due = time.monotonic() + _LINE_EVERY_SECONDS
    newest = printed = ""

    def tell(part: float | None, count: int) -> None:
        nonlocal due, newest, printed
        known = "" if part is None else f"{part:.0%}, "
        newest = f"{doing}: {known}{count:,} {things}"
        if time.monotonic() >= due:
            console.print(newest, highlight=False)
            due = time.monotonic() + _LINE_EVERY_SECONDS
            printed = newest

    yield tell
    if printed and newest != printed:
        console.print(newest, highlight=False)
