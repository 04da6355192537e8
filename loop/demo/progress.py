"""Progress of a long command as a list of steps, each with its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn


class Steps:
    """Prints a line a finished step; shows a bar or a spinner for the one under way."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            transient=True,
        )

    def __enter__(self) -> Steps:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[int, str], None]]:
        """Run a step; yields ``advance(count, note)``."""
        started = time.monotonic()
        task = self._progress.add_task(name, total=total, note="")

        def advance(count: int, note: str) -> None:
            self._progress.update(task, advance=count, note=note)

        try:
            yield advance
        except BaseException:
            self._progress.remove_task(task)
            self._console.print(f"[red]✗[/] {name}")
            raise
        self._progress.remove_task(task)
        self._console.print(f"[green]✓[/] {name} [dim]{time.monotonic() - started:.1f} s[/]")
