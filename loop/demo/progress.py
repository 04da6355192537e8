"""Progress of the demo as a list of steps, each with its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from adloom.loop.progress import lines_told

Advance = Callable[[int, str], None]
"""Takes how many more are done, and a note."""


class Steps:
    """Prints a line a finished step; the one under way shows a bar, or elsewhere than on a
    terminal says that it begins, and how far it is.

    Attributes:
        seconds: of every finished step by its name, in their order; steps of one name add up.
    """

    def __init__(self, console: Console) -> None:
        self.seconds: dict[str, float] = {}
        self._console = console
        self._bars = ExitStack()
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
        if self._console.is_terminal:
            self._bars.enter_context(self._progress)
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.close()

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """Run a step; yields ``advance(count, note)``."""
        started = time.monotonic()
        shown = self._bar if self._console.is_terminal else self._lines
        try:
            with shown(name, total) as advance:
                yield advance
        except BaseException:
            self._console.print(f"[red]✗[/] {name}", soft_wrap=True)
            raise
        took = time.monotonic() - started
        self.seconds[name] = self.seconds.get(name, 0.0) + took
        self._console.print(
            f"[green]✓[/] {name} [dim]{took:.1f} s[/]", highlight=False, soft_wrap=True
        )

    @contextmanager
    def _bar(self, name: str, total: int | None) -> Iterator[Advance]:
        task = self._progress.add_task(name, total=total, note="")
        try:
            yield lambda count, note: self._progress.update(task, advance=count, note=note)
        finally:
            self._progress.remove_task(task)

    @contextmanager
    def _lines(self, name: str, total: int | None) -> Iterator[Advance]:
        done = 0
        with lines_told(self._console) as tell:
            tell(f"… {name}", None, "", True)

            def advance(count: int, note: str) -> None:
                nonlocal done
                done += count
                told = f"{done} of {total}" if total else f"{done}"
                tell(f"… {name}", done / total if total else None, f"{told} {note}".strip())

            yield advance
