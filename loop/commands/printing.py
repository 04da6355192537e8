"""What several commands print alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from adloom.loop.commands.errors import fail, problems

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

_SHOWN = 30
_ANY_WIDTH = 10_000


T = TypeVar("T")


def first_told(as_json: bool, words: Callable[[T], tuple[str, str]]) -> Callable[[T], None]:
    """Prints the first notes on rows as they come; JSON has them at the end.

    ``words`` gives the word that a note begins with, and its style.
    """
    printed = 0

    def tell(note: T) -> None:
        nonlocal printed
        printed += 1
        if not as_json and printed <= _SHOWN:
            problems.print(Text.assemble(words(note), f" {note}"), soft_wrap=True)
        elif not as_json and printed == _SHOWN + 1:
            problems.print("... and more; --json has the first thousand of them", soft_wrap=True)

    return tell


def counted(number: int, thing: str) -> str:
    """``1 shard``, ``2 shards``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def print_tables(console: Console, tables: Iterable[Table]) -> None:
    """Print tables with nothing in them cut.

    Where they go to is no terminal, lines are as long as they have to be. On one that is narrow a
    table is parted by columns; those on its left that are not justified begin each part.
    """
    wide = _wide(console)
    for table in tables:
        parts = _parted(table, console, wide) if console.is_terminal else [table]
        for part in parts:
            _print(console, part)
            console.print()


def print_table(console: Console, table: Table) -> None:
    """Print a table of texts: cells are wrapped on a terminal, and whole elsewhere."""
    _print(console, table)


def _print(console: Console, table: Table) -> None:
    if console.is_terminal:
        console.print(table)
        return
    wide = _wide(console)
    with wide.capture() as captured:
        wide.print(table)
    for line in captured.get().splitlines():  # the last column is filled up with spaces
        console.file.write(line.rstrip() + "\n")


def _wide(console: Console) -> Console:
    return Console(file=console.file, width=_ANY_WIDTH, force_terminal=console.is_terminal)


def _parted(table: Table, console: Console, wide: Console) -> Iterator[Table]:
    names = [column for column in table.columns if column.justify == "left"]
    figures = [column for column in table.columns if column.justify != "left"]
    if not figures:
        yield table
    while figures:
        many = len(figures)
        while many > 1 and wide.measure(_of(table, names, figures[:many])).maximum > console.width:
            many -= 1
        yield _of(table, names, figures[:many])
        figures = figures[many:]


def _of(table: Table, *columns: Sequence[Column]) -> Table:
    """The table with these columns alone."""
    chosen = list(chain(*columns))
    part = Table(*map(_head, chosen), title=table.title, box=table.box, padding=table.padding)
    for row in zip(*(column.cells for column in chosen), strict=True):
        part.add_row(*row)
    return part


def _head(column: Column) -> Column:
    return Column(column.header, justify=column.justify)


def print_fields(console: Console, fields: Mapping[str, Any]) -> None:
    """A line for each field; lists with commas."""
    table = Table("", Column(overflow="fold"), show_header=False, box=None, padding=(0, 2))
    for name, value in fields.items():
        table.add_row(name, Text(", ".join(value) if isinstance(value, list) else str(value)))
    print_table(console, table)


def own_names(given: Sequence[str], form: str) -> dict[str, str]:
    """Own names of columns as ``--map`` gives them; ``form`` shows how they are written."""
    columns = {}
    for each in given:
        name, sign, own = each.partition("=")
        if not (name and sign and own):
            fail(f"--map {each}: write it as {form}")
        columns[name.strip()] = own.strip()
    return columns
