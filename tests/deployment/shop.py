"""A shop on two machines: an ad server and a consumer on each, with a home of its own."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from adloom.loop import home
from tests.adloom_process import AdloomProcess
from tests.deployment.parts import Parts
from tests.loop_parts import tiny_settings

PATIENCE_SECONDS = 200.0
FORGET_KEY = "may-forget-and-nothing-else"
SERVERS = ("server-1", "server-2")
CONSUMERS = ("consumer-1", "consumer-2")
_HOMES = dict(zip((*SERVERS, *CONSUMERS), ("one", "other") * 2, strict=True))
_ANSWER_SECONDS = 30.0
_MOST_RESTARTS = 3


class Shop:
    """Its processes. Safe to ask from several threads, to kill from one.

    Attributes:
        lives: how often each process was killed.
    """

    def __init__(self, folder: Path, shared: Parts) -> None:
        self._folder, self.parts = folder, shared.parts
        self.settings = tiny_settings(folder, **shared.settings)  # of the first home, stocked
        homes = {"one": self.settings.home, "other": folder / "other"}
        self._homes = {name: homes[place] for name, place in _HOMES.items()}
        self._ports = {name: _free_port() for name in _HOMES}
        self._processes: dict[str, AdloomProcess] = {}
        self._lock = threading.Lock()
        self.lives: Counter[str] = Counter()
        self._restarts: Counter[str] = Counter()
        self._away: set[str] = set()
        own = {
            "generator": {"path": str(self.settings.generator.path)},
            "serve": {
                "follow_seconds": 0.2,
                "timeout_seconds": _ANSWER_SECONDS,
                "forget_keys": f'["{FORGET_KEY}"]',
            },
            "catalog": {"refresh_seconds": 1},
        }
        self._environment = os.environ | _variables(shared.settings) | _variables(own)
        self.run("migrate")
        home.registry_with_base(self.settings)
        for name in _HOMES:
            self.start(name)

    @property
    def names(self) -> list[str]:
        """All that can be killed: one of each kind first."""
        return [SERVERS[0], CONSUMERS[0], *sorted(self.parts), SERVERS[1], CONSUMERS[1]]

    def run(self, *arguments: str) -> None:
        """A command in the first home, to its end."""
        status, _, told = self._process(SERVERS[0], *arguments).ended()
        assert status == 0, told

    def start(self, name: str) -> None:
        """It begins; what it was told before is there."""
        if name in self.parts:
            self.parts[name].start()
            return
        command = "serve" if name in SERVERS else "consume"
        port = str(self._ports[name])
        self._processes[name] = self._process(name, command, "--port", port)

    def kill(self, name: str) -> None:
        """kill -9."""
        with self._lock:
            self.lives[name] += 1
            self._away.add(name)
        if name in self.parts:
            self.parts[name].kill()
        else:
            self._processes.pop(name).kill()

    def close(self) -> None:
        """All of adloom ends at once."""
        for process in self._processes.values():
            process.kill()

    def may_fail(self, name: str, life: int) -> bool:
        """Whether a connection to it may break: it was killed since, and is not back."""
        with self._lock:
            return name in self._away or self.lives[name] != life

    @property
    def away(self) -> list[str]:
        """What was killed, and is not back."""
        with self._lock:
            return sorted(self._away)

    def tells(self, name: str) -> bool:
        """Whether it is seen that something was killed: by every server that is there."""
        if name not in self.parts:
            return self.readiness(name) is None
        part = self.parts[name].told_as
        return all(part in (self.readiness(server) or {}).get("problems", {}) for server in SERVERS)

    def until_ready(self) -> None:
        """Every process answers, and none has a problem with any part."""
        for name in list(self._processes):
            until(
                lambda name=name: self._is_ready(name),  # type: ignore[misc]
                lambda name=name: self._lives_or_starts(name),  # type: ignore[misc]
                lambda name=name: f"{name}: {self.readiness(name)}",  # type: ignore[misc]
            )
        with self._lock:
            self._away.clear()

    def readiness(self, name: str) -> dict[str, Any] | None:
        """What `/readyz` says; None where nobody answers."""
        try:
            answer = httpx.get(f"{self.url(name)}/readyz", timeout=_ANSWER_SECONDS)
        except httpx.TransportError:
            return None
        told: dict[str, Any] = answer.json()
        return told

    def home_of(self, name: str) -> Path:
        """The folder that it has on its machine."""
        return self._homes[name]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def _lives_or_starts(self, name: str) -> bool | str:
        """What ended is started again a few times, as by `restart` of the compose file: a broker
        on a loaded machine may be too late for a start. Then why it ended."""
        process = self._processes[name]
        if process.runs:
            return True
        told = process.ended()[2]
        self._restarts[name] += 1
        if self._restarts[name] > _MOST_RESTARTS:
            return told
        self.start(name)
        return True

    def _is_ready(self, name: str) -> bool:
        told = self.readiness(name)
        return told is not None and told["status"] == "ready"

    def _process(self, name: str, *arguments: str) -> AdloomProcess:
        environment = self._environment | {"ADLOOM_HOME": str(self._homes[name])}
        return AdloomProcess(*arguments, folder=self._folder, environment=environment)


def until(
    so: Callable[[], bool],
    lives: Callable[[], bool | str] = lambda: True,
    what: Callable[[], object] = lambda: "",
) -> None:
    """Waits until it is so, while ``lives``; what that is else is told, or ``what`` is wrong."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not so():
        told = lives()
        assert told is True, told
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def _variables(sections: dict[str, Any]) -> dict[str, str]:
    return {
        f"ADLOOM_{section}__{name}".upper(): str(value)
        for section, values in sections.items()
        for name, value in values.items()
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
