"""What a feature store writes to, told apart wherever it is asked from."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path
from typing import NamedTuple

_MARK = ".name"


class Name(NamedTuple):
    """Of a place that is written to.

    Attributes:
        key: the same for all who write there, and for nobody else.
        told: for people.
    """

    key: str
    told: str


def name_of_folder(folder: Path) -> Name:
    """The same on every machine that has the folder mounted, and another for a copy of it.

    Raises OSError.
    """
    mark = folder / _MARK
    if not mark.exists():
        folder.mkdir(parents=True, exist_ok=True)
        written = folder / f"{_MARK}.{uuid.uuid4().hex}"
        written.write_text(uuid.uuid4().hex)
        try:
            os.link(written, mark)  # whoever is first names it
        except FileExistsError:
            pass
        finally:
            written.unlink()
    key = f"{mark.read_text()[:32]}-{mark.stat().st_ino:x}"
    return Name(key, f"{folder.resolve()} on {socket.gethostname()}")
