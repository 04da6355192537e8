"""The files of the checkout, as git tells them: no caches, nothing that a build left behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
FOLDERS = ("feature_store", "loop", "models", "stream")  # what the package is made of


def files_of_the_checkout() -> list[Path]:
    """What git has, or would take in: relative paths of files and links that exist, sorted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    files = {Path(name) for name in listed.split("\0") if name}
    return sorted(file for file in files if os.path.lexists(CHECKOUT / file))
