"""Ways in which a file is damaged."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path], None]


def in_the_middle(file: Path) -> None:
    """Random bytes from an eighth on, written over the file that others have open."""
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(size // 8)
        opened.write(random.Random(0).randbytes(size - size // 8))


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def halved(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def a_text(file: Path) -> None:
    file.write_text("not a database\n" * 1_000)


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def removed(file: Path) -> None:
    file.unlink()
