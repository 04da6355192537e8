"""Options that all decisions of people share."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

Why = Annotated[str, typer.Option(help="Why; people read it in the history.")]
By = Annotated[
    str | None, typer.Option(help="Who decides; without: who is logged in.", show_default=False)
]


def who(by: str | None) -> str:
    """Who decides, as histories have it."""
    if by is not None and by.strip():
        return by.strip()[:80]
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError, ImportError):  # a user without a name, as in some containers
        return "command line"
