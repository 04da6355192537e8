"""A base whose files cannot be loaded, told in words, whichever library found it so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adloom.models.folders import no_base


class DamagedBase(ValueError):
    """A folder holds a base that is not whole; the message says where, what and what to do."""


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Around what loads the base of ``folder``, which is looked at first.

    Raises:
        DamagedBase: a file of it is missing, damaged, or of something else.
        OSError: the machine does not let it be read.
    """
    if (problem := no_base(folder)) is not None:
        raise DamagedBase(problem)
    try:
        yield
    except Exception as error:  # of transformers, tokenizers, safetensors, torch and pydantic
        of_the_machine = isinstance(error, OSError) and error.errno is not None
        if of_the_machine or isinstance(error, DamagedBase | MemoryError):
            raise
        raise DamagedBase(
            f"{folder} cannot be loaded as an ad generator ({first_line(error)}): copy it again, "
            "or make it anew"
        ) from error


def first_line(error: Exception) -> str:
    """What an error says, without what libraries tell below; a heading has what it heads."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
