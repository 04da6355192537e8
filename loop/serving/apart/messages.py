"""What the server and the process that draws for it tell one another.

Both are of one program, on one machine, and nobody else has the socket between them: so what goes
over it is pickled. No tensor does: codes and pictures are what an ad is made of.
"""

from __future__ import annotations

import pickle
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adloom.models.brief import AdBrief
from adloom.models.sampling import Sampling


@dataclass(frozen=True)
class Begin:
    """The first word to a process: what to load, and the threads that it computes with."""

    path: Path | None
    device: str | None
    rows: int
    threads: int
    int8: bool
    adapters: tuple[tuple[str, Path], ...]


@dataclass(frozen=True)
class Begun:
    """What was loaded: see :class:`adloom.models.generates.Generates`."""

    base_name: str
    codebook_name: str
    history_codebook_name: str
    known_codes: int
    # The codebook's name tells them apart.
    code_vectors: NDArray[np.float32] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Draw:
    """Ads that are wanted."""

    brief: AdBrief
    seeds: tuple[int, ...]
    sampling: Sampling | None
    adapter: str | None
    title_only: bool


@dataclass(frozen=True)
class Call:
    """Something else that needs the weights."""

    name: Literal[
        "load_adapter",
        "drop_adapter",
        "encode_history",
        "picture_of",
        "kept_tokens",
    ]
    given: tuple[Any, ...]


@dataclass(frozen=True)
class Asked:
    """A question; its answer has its number."""

    number: int
    question: Draw | Call


@dataclass(frozen=True)
class Dropped:
    """Nobody waits for that answer any more."""

    number: int


@dataclass(frozen=True)
class Answer:
    """A value, or what was raised."""

    number: int
    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True)
class Failed:
    """Loading failed, or a step of drawing, and all ads that were under way are given up."""

    error: Exception


@dataclass(frozen=True)
class Said:
    """A line for the server's log."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True)
class DrawnApart:
    """An ad that was drawn: token ids of the title, codes, and the picture (RGB) if it has one."""

    title: tuple[int, ...]
    codes: NDArray[np.int16]
    cut: bool
    steps: int
    picture: Image.Image | None


ToServer = Begun | Answer | Failed | Said
ToDrawing = Begin | Asked | Dropped


class Link:
    """One end of the socket: any thread may send, one receives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: ToServer | ToDrawing) -> None:
        """Raises OSError where the other end is gone; what pickle raises."""
        content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        with self._sending:
            self._connection.send_bytes(content)

    def receive(self, take: Callable[[Any], None]) -> None:
        """Hand on what comes, until the other end is gone."""
        while True:
            try:
                content = self._connection.recv_bytes()
            except (EOFError, OSError):
                return
            take(pickle.loads(content))

    def close(self) -> None:
        """Let go of the socket."""
        self._connection.close()


def that_travels(error: Exception) -> Exception:
    """The error, or one that says the same where it cannot be sent; its traceback is a note."""
    error.add_note("".join(traceback.format_exception(error)).rstrip())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        told = RuntimeError(f"{type(error).__name__}: {error}")
        told.__notes__ = error.__notes__
        return told
    return error
