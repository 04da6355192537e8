"""The folder that a command shall write."""

from __future__ import annotations

from pathlib import Path


def taken(out: Path) -> str | None:
    """Why nothing may be written there, in one line; None where it is empty, or not there."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return f"{out} is there already: choose another --out, or remove it"
    return None
