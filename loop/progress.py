"""How far a long command is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

_LINE_EVERY_SECONDS = 5.0
_SHARE_BETWEEN_LINES = 0.02
"""Of the time so far: what takes a day says no more than some hundred lines."""

Told = Callable[[float | None, int], None]
"""Takes the part that is done, 0 to 1, or None where it is not known, and a number of things."""


Say = Callable[[str], None]
OnStep = Callable[[int, float], None]
"""Takes a step, from 1, and its loss."""


@contextmanager
def progress_told(console: Console, doing: str, things: str) -> Iterator[Told]:
    """Tells how far the block is: `Replaying: 40 %, 12,000 events`."""
    with _told(console, doing) as told:
        yield lambda part, count: told(doing, part, f"{count:,} {things}")


@contextmanager
def steps_told(console: Console, doing: str, total: int) -> Iterator[tuple[Say, OnStep]]:
    """Tells each step of the block with its loss: `Training: 40 %, step 8 of 20, loss 2.310`.

    The first that it yields says what is done besides, such as waiting.
    """
    with _told(console, doing) as told:
        said = ""

        def say(what: str) -> None:
            nonlocal said
            if what != said:  # it may be said again and again
                told(what, 0.0, "", True)
                said = what

        def on_step(step: int, loss: float) -> None:
            nonlocal said
            said = ""
            told(doing, step / total, f"step {step:,} of {total:,}, loss {loss:.3f}")

        yield say, on_step


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


class Tell(Protocol):
    """Takes what is done, its part that is done (None: unknown) and a note."""

    def __call__(
        self, doing: str, part: float | None, note: str, at_once: bool = False, /
    ) -> None: ...


@contextmanager
def _told(console: Console, doing: str) -> Iterator[Tell]:
    """A bar on a terminal, lines elsewhere; ``at_once`` is what no line may leave out."""
    if not console.is_terminal:
        with lines_told(console) as tell_line:
            yield tell_line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(doing, total=1.0, note="")

        def tell(doing: str, part: float | None, note: str, at_once: bool = False, /) -> None:
            total = None if part is None else 1.0
            progress.update(task, description=doing, completed=part, total=total, note=note)

        yield tell


@contextmanager
def lines_told(console: Console) -> Iterator[Tell]:
    """A line now and then, and where there was one, also of the end."""
    began = time.monotonic()
    due = began + _LINE_EVERY_SECONDS
    newest = printed = ""

    def tell(doing: str, part: float | None, note: str, at_once: bool = False, /) -> None:
        nonlocal due, newest, printed
        known = [] if part is None or at_once else [f"{part:.0%}"]
        what = ", ".join([*known, note] if note else known)
        newest = f"{doing}: {what}" if what else doing
        now = time.monotonic()
        if at_once or now >= due:
            console.print(newest, markup=False, highlight=False, soft_wrap=True)
            due = now + max(_LINE_EVERY_SECONDS, (now - began) * _SHARE_BETWEEN_LINES)
            printed = newest

    yield tell
    if printed and newest != printed:
        console.print(newest, markup=False, highlight=False, soft_wrap=True)


class Bars(Progress):
    """Tasks one after the other: bars on a terminal, lines elsewhere, `Drawing: 40%, 8 of 20`.

    Tasks may have a field ``note``, such as the loss. ``quiet`` tells nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._tell: Tell | None = None
        self._lines = ExitStack()
        self._told_in_lines = not (quiet or console.is_terminal)
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        super().__init__(*columns, console=console, disable=quiet or self._told_in_lines)

    def start(self) -> None:
        """Begin to tell."""
        if self._told_in_lines and self._tell is None:
            self._tell = self._lines.enter_context(lines_told(self.console))
        super().start()

    def stop(self) -> None:
        """Tell the last of it."""
        self._tell = None
        self._lines.close()
        super().stop()

    def add_task(self, description: str, *given: Any, note: str = "", **more: Any) -> TaskID:
        """As `rich.progress.Progress`."""
        task = super().add_task(description, *given, note=note, **more)
        if self._tell is not None:
            self._tell(f"{description} …", None, "", True)
        return task

    def update(self, task_id: TaskID, **given: Any) -> None:
        """As `rich.progress.Progress`."""
        super().update(task_id, **given)
        self._say(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """As `rich.progress.Progress`."""
        super().advance(task_id, advance)
        self._say(task_id)

    def _say(self, task_id: TaskID) -> None:
        if self._tell is None:
            return
        task = self.tasks[self.task_ids.index(task_id)]
        of = f"{task.completed:,.0f}" + (f" of {task.total:,.0f}" if task.total else "")
        part = task.completed / task.total if task.total else None
        self._tell(task.description, part, ", ".join(filter(None, (of, task.fields["note"]))))
