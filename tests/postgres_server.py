"""A Postgres server of one's own, on a free loopback port, for as long as a block runs."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from adloom.loop.settings.database import DatabaseSettings

_START_SECONDS = 30.0
_PASSWORD = "only of tests"
_USER = "adloom"


class NoPostgres(RuntimeError):
    """There is no Postgres to start, or it does not start."""


class PostgresServer:
    """A child process that asks for a password. Raises NoPostgres."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._bin = folder, _binaries()
        # It refuses to run as root.
        self._as = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        secret = folder / "password"
        secret.write_text(_PASSWORD)
        if self._as:
            owner = pwd.getpwnam("postgres")
            for path in (folder, secret):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        # Of all languages the one that knows no letters beyond the English.
        made = ["--locale=C", "--encoding=UTF8", "--auth=scram-sha-256", f"--username={_USER}"]
        self._run("initdb", f"--pgdata={folder}/data", f"--pwfile={secret}", "--no-sync", *made)

    def start(self) -> None:
        """Start it with the data it had before. Raises NoPostgres."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            # While a child of one that was killed still ends, it refuses to begin.
            if self._process is None or self._process.poll() is not None:
                self._process = self._begun()
            try:
                self._admin().close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise NoPostgres((self._folder / "log").read_text()[-500:])

    def _begun(self) -> subprocess.Popen[bytes]:
        command = [self._bin / "postgres", "-D", self._folder / "data", "-p", str(self.port)]
        for option in ("fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories="):
            command += ["-c", option]
        with (self._folder / "log").open("ab") as log:
            begun: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdout=log, stderr=log, **self._as
            )  # type: ignore[call-overload]
        return begun

    def stop(self) -> None:
        """End it at once, as a crash would; its data stay."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """kill -9 of the process that all others of the server are children of."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def new_database(self) -> DatabaseSettings:
        """Settings of an empty database."""
        name = f"shop_{uuid.uuid4().hex}"
        with self._admin() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"
        return DatabaseSettings.model_validate({"url": url, "password": _PASSWORD})

    def _admin(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=_USER,
            password=_PASSWORD,
            dbname="postgres",
            autocommit=True,
        )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, *arguments], capture_output=True, text=True, **self._as
        )  # type: ignore[call-overload]
        if done.returncode:
            raise NoPostgres(f"{program}: {done.stderr[-500:]}")


def _binaries() -> Path:
    """Debian keeps them out of the way of a PATH. Raises NoPostgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise NoPostgres("Postgres is not installed: apt-get install postgresql")
    return found[0].parent if found else Path(str(on_path)).resolve().parent


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Raises NoPostgres."""
    folder = Path(tempfile.mkdtemp(prefix="adloom-postgres-", dir="/tmp"))
    try:
        server = PostgresServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
