"""What several commands print alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from adloom.loop.commands.errors import fail, problems

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

_SHOWN = 30


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
            problems.print("... and more; --json has the first thousand of them")

    return tell


def print_fields(console: Console, fields: Mapping[str, Any]) -> None:
    """A line for each field; lists with commas."""
    table = Table("", Column(overflow="fold"), show_header=False, box=None, padding=(0, 2))
    for name, value in fields.items():
        table.add_row(name, Text(", ".join(value) if isinstance(value, list) else str(value)))
    console.print(table)


def own_names(given: Sequence[str], form: str) -> dict[str, str]:
    """Own names of columns as ``--map`` gives them; ``form`` shows how they are written."""
    columns = {}
    for each in given:
        name, sign, own = each.partition("=")
        if not (name and sign and own):
            fail(f"--map {each}: write it as {form}")
        columns[name.strip()] = own.strip()
    return columns
