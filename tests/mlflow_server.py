"""A real `mlflow server` with logins and an artifact proxy, and a gate in front of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.own_tracking import with_tables
from tests.tcp_gate import TcpGate

_START_SECONDS = 240.0

# A command that ends with all that it started when the other end of its input is closed, however
# that ended.
_WHILE_HELD = ("/bin/sh", "-c", '"$@" </dev/null & cat >/dev/null; kill -9 -$$', "sh")

_SETTINGS = """[mlflow]
default_permission = READ
database_uri = sqlite:///{users}
admin_username = admin
admin_password = {password}
auth_cache_ttl_seconds = 600
"""


@dataclass(frozen=True)
class User:
    """Somebody with a login."""

    name: str
    password: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that MLflow's client logs in by."""
        return {
            "MLFLOW_TRACKING_USERNAME": self.name,
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }


ADMIN = User("admin", "a-password-of-tests")
WRITER = User("writer", "writes-in-all-tests")
READER = User("reader", "reads-in-all-tests")
UNKNOWN = User("mallory", "guessed-it-wrongly")


class MlflowServer:
    """`mlflow server --app-name basic-auth` on SQLite and a folder, behind a `TcpGate`.

    Whoever makes a model or an experiment may write to it; everybody else with a login may read
    all of it. So a test takes names of its own, lets ``WRITER`` make them, and is ``READER`` then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = with_tables(folder)
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.gate = TcpGate(self._port)
        auth = _SETTINGS.format(users=folder / "users.db", password=ADMIN.password)
        (folder / "auth.ini").write_text(auth)

    @property
    def uri(self) -> str:
        """The tracking URI, through the gate."""
        return f"http://127.0.0.1:{self.gate.port}"

    @property
    def artifacts(self) -> Path:
        """Where the proxy keeps files."""
        return self._folder / "artifacts"

    def start(self) -> None:
        """Returns once it answers."""
        options = {
            "app-name": "basic-auth",
            "backend-store-uri": f"sqlite:///{self._folder / 'mlflow.db'}",
            "artifacts-destination": self.artifacts,
            "port": self._port,
            "workers": 1,
        }
        given = [f"--{name}={value}" for name, value in options.items()]
        environment = os.environ | {
            "MLFLOW_AUTH_CONFIG_PATH": str(self._folder / "auth.ini"),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "a-secret-of-tests",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_WHILE_HELD, sys.executable, "-m", "mlflow", "server", *given],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "mlflow server never answered"
            time.sleep(0.1)

    def stop(self) -> None:
        """As a crash does it; what it holds stays, for the next start."""
        process, self._process = self._process, None
        if process is None:
            return
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)

    def add(self, user: User) -> None:
        """A user with a login."""
        sent = {"username": user.name, "password": user.password}
        url = f"http://127.0.0.1:{self._port}/api/2.0/mlflow/users/create"
        login = (ADMIN.name, ADMIN.password)
        httpx.post(url, json=sent, auth=login, timeout=60).raise_for_status()

    def _answers(self) -> bool:
        """Its first answer of the registry takes seconds: no test is to wait for that."""
        url = f"http://127.0.0.1:{self._port}/api/2.0/mlflow/registered-models/search"
        try:
            answer = httpx.get(url, auth=(ADMIN.name, ADMIN.password), timeout=60)
        except httpx.TransportError:
            return False
        return answer.status_code == 200


@contextmanager
def running_mlflow(folder: Path) -> Iterator[MlflowServer]:
    """A server with its users, for the block."""
    server = MlflowServer(folder)
    try:
        server.start()
        for user in (WRITER, READER):
            server.add(user)
        yield server
    finally:
        server.stop()
        server.gate.close()


@contextmanager
def logged_in(user: User | None) -> Iterator[None]:
    """This process asks MLflow as that user, or without a login, for the block."""
    environment: Mapping[str, str] = user.environment if user is not None else {}
    with pytest.MonkeyPatch.context() as patched:
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            patched.delenv(name, raising=False)
        for name, value in environment.items():
            patched.setenv(name, value)
        yield


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
