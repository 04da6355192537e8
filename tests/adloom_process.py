"""A command in a process of its own, on a terminal or not, which can be interrupted and killed.

A new interpreter would import torch, transformers and Feast first, which is most of its time.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.forking import processes


class AdloomProcess:
    """`adloom` with arguments; it runs already.

    Args:
        folder: where it runs.
        environment: all of its variables; those of this process if there are none given.
        stdin: the file or terminal that it reads.
    """

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        stdin: str = os.devnull,
    ) -> None:
        self._written = Path(tempfile.mkdtemp())
        variables = dict(os.environ if environment is None else environment)
        streams = (stdin, str(self._written / "stdout"), str(self._written / "stderr"))
        given = (arguments, folder.absolute(), variables, streams)
        self._process = processes.Process(target=_run, args=given, daemon=True)
        self._process.start()

    @property
    def runs(self) -> bool:
        """Whether it has neither ended nor been killed."""
        return self._process.is_alive()

    @property
    def said(self) -> str:
        """Its output so far."""
        file = self._written / "stdout"
        return file.read_text() if file.exists() else ""

    def interrupt(self) -> None:
        """Ctrl-C."""
        if self._process.pid is not None and self.runs:
            os.kill(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.join()

    def ended(self) -> tuple[int, str, str]:
        """Status, output and what it said beside, once it has ended."""
        self._process.join()
        out, err = (self._written / name for name in ("stdout", "stderr"))
        texts = [file.read_text() if file.exists() else "" for file in (out, err)]
        shutil.rmtree(self._written)
        status = self._process.exitcode
        assert status is not None
        return status, texts[0], texts[1]


def _run(
    arguments: tuple[str, ...],
    folder: Path,
    variables: dict[str, str],
    streams: tuple[str, str, str],
) -> None:
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    for number, file in enumerate(streams):
        opened = os.open(file, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, number)
    sys.stdin = os.fdopen(0, closefd=False)
    from adloom.loop.commands.app import app

    app(list(arguments), prog_name="adloom")
