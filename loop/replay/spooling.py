"""Files that can be read more than once: pipes and standard input are kept on the disk first."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STANDARD_INPUT = Path("-")
_CHUNK_BYTES = 1024 * 1024


@contextmanager
def readable_again(file: Path) -> Iterator[Path]:
    """The file itself, or a copy of what a pipe gives; `-` is standard input.

    The copy lies in the folder for temporary files and is gone at the end. Raises OSError.
    """
    if file != _STANDARD_INPUT and not (file.is_fifo() or file.is_char_device()):
        yield file
        return
    with tempfile.NamedTemporaryFile(prefix="adloom-", suffix=file.suffix) as copy:
        if file == _STANDARD_INPUT:
            shutil.copyfileobj(sys.stdin.buffer, copy, _CHUNK_BYTES)
        else:
            with file.open("rb") as pipe:
                shutil.copyfileobj(pipe, copy, _CHUNK_BYTES)
        copy.flush()
        yield Path(copy.name)
