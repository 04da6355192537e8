"""A process that draws, as its server sees it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from adloom.loop.openmp import asleep
from adloom.loop.serving.apart.messages import Asked, Begin, Dropped, Link, ToServer
from adloom.loop.settings import PREFIX

_MODULE = "adloom.loop.serving.apart.child"
_END_SECONDS = 5.0


class Process:
    """One that was started; it ends when this process does, whatever ends it."""

    def __init__(self, begin: Begin) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # -P: what lies in the folder where a server was started is no part of it.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=_environment(),
            )
        self._socket = ours
        self._link = Link(Connection(os.dup(ours.fileno())))
        self._link.send(begin)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def send(self, message: Asked | Dropped) -> None:
        """Raises OSError where it is gone."""
        self._link.send(message)

    def receive(self, take: Callable[[ToServer], None]) -> None:
        """Hand on what it says, until it is gone."""
        self._link.receive(take)

    def end(self) -> None:
        """It ends at once: it has nothing that is worth keeping."""
        with suppress(OSError):  # it is gone
            self._socket.shutdown(socket.SHUT_RDWR)

    def how_it_ended(self) -> str:
        """Once it is gone; lets go of what was held for it."""
        self._link.close()
        self._socket.close()
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status >= 0:
            return f"status {status}"
        return f"killed by {signal.Signals(-status).name}"


def _environment() -> dict[str, str]:
    """This process', and where its modules are; settings, and the secrets in them, stay here.

    A thread of OpenMP that waits for the others sleeps: one that spins takes the core that they,
    or the server, need, and drawing with two threads on two cores can then take ten times as long.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    modules = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return asleep(kept) | modules
