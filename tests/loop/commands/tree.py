"""Every command there is, by the words that call it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from adloom.loop.commands.app import app


def all_commands() -> dict[tuple[str, ...], Any]:
    """Commands and groups of them: `("catalog", "list")`; the program itself is `()`."""
    return dict(_below(typer.main.get_command(app), ()))


def leaves() -> list[tuple[str, ...]]:
    """Those that do something."""
    return [words for words, command in all_commands().items() if not hasattr(command, "commands")]


def _below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, one in getattr(command, "commands", {}).items():
        yield from _below(one, (*words, name))
