"""Apache Kafka on loopback, from a folder that starts it, for as long as a block runs.

The folder's script is looked for beside the checkout (`../shared/kafka/start`), or named by
ADLOOM_KAFKA_START. Who has none sees the tests that need it skipped.

`python -m tests.kafka_cluster pytest -m kafka` runs a command with ADLOOM_TEST_KAFKA set to it.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from adloom.feature_store.locking import file_lock

_START = Path(__file__).parents[1] / ".." / "shared" / "kafka" / "start"
_NAMED_START = os.environ.get("ADLOOM_KAFKA_START")
_OLDEST_JAVA = 17
_PORTS = range(20_000, 32_000, 100)  # below those that the system gives to connections
_PORTS_OF_A_NODE = 3  # clients, controllers, logins
_TRIES = 3
_START_SECONDS = 120.0

# Waits until nobody holds the other end any more, however they ended.
_END_WITH_USERS = """
cat "$1/users" >/dev/null
for pid in "$1"/*/pid; do kill -9 "$(cat "$pid")"; done
rm -rf "$1"
"""

USER, PASSWORD = "adloom", "secret-secret"
"""The one login that the script makes, by SCRAM-SHA-512 and PLAIN."""

WITH_RIGHTS = (
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users=User:ANONYMOUS",
)
"""Properties of a cluster where a login may do what rights say, and no login means any right."""

WITHOUT_DELAY = ("log.retention.check.interval.ms=300", "log.initial.task.delay.ms=300")
"""Properties of a cluster that takes away what is too old at once, not every five minutes."""


class NoApacheKafka(RuntimeError):
    """There is nothing here to start Apache Kafka with, or it does not start."""


class ApacheKafka:
    """Nodes are numbered from 1."""

    def __init__(self, folder: Path, nodes: int, port: int) -> None:
        """Use `running_kafka`."""
        self._folder = folder
        self._nodes = nodes
        self._port = port

    @property
    def bootstrap_servers(self) -> str:
        """Where clients need no login."""
        return self._servers(0)

    @property
    def login_servers(self) -> str:
        """Where clients log in as USER (SASL_PLAINTEXT)."""
        return self._servers(2)

    def data(self, node: int) -> Path:
        """The folder with a node's partitions."""
        return self._folder / str(node) / "data"

    def kill(self, node: int) -> None:
        """kill -9, with no word to the others."""
        self.signal(node, signal.SIGKILL)

    def signal(self, node: int, number: signal.Signals) -> None:
        """Sends a signal to a node: SIGSTOP makes it hang, SIGCONT go on."""
        os.kill(int((self._folder / str(node) / "pid").read_text()), number)

    def start_again(self, node: int) -> None:
        """Brings a killed node back with its data, and waits until it answers."""
        refusal = _run(_script(), self._folder, "--again", str(node))
        if refusal:
            raise NoApacheKafka(f"node {node} did not come back: {refusal}")

    def _servers(self, listener: int) -> str:
        ports = [self._port + 10 * node + listener for node in range(1, self._nodes + 1)]
        return ",".join(f"127.0.0.1:{port}" for port in ports)


@contextmanager
def running_kafka(
    folder: Path, *, nodes: int = 1, properties: Sequence[str] = ()
) -> Iterator[ApacheKafka]:
    """A cluster with its data under `folder`, which several processes may share.

    It ends when the last of these blocks ends, or the process that it runs in.
    Raises NoApacheKafka.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "kafka"
    with ExitStack() as held:
        with file_lock(folder / "starting.lock"):
            users = _join(data)
            if users is None:
                users = _hold(data)
                held.callback(os.close, users)
                (data / "port").write_text(str(_start(data, nodes, properties)))
            else:
                held.callback(os.close, users)
        yield ApacheKafka(data, nodes, int((data / "port").read_text()))


def _join(data: Path) -> int | None:
    """The open end of a running cluster's pipe; None where none runs."""
    try:
        return os.open(data / "users", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def _hold(data: Path) -> int:
    """The open end of a new pipe; once it is closed, what runs in the folder is ended."""
    data.mkdir()
    os.mkfifo(data / "users")
    subprocess.Popen(
        ["/bin/sh", "-c", _END_WITH_USERS, "sh", str(data)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return os.open(data / "users", os.O_WRONLY)


def _start(data: Path, nodes: int, properties: Sequence[str]) -> int:
    """Starts the nodes, waits until they answer, and returns their port."""
    script, refusal = _script(), ""
    for _ in range(_TRIES):
        port = _free_ports(nodes)
        options = ("--port", str(port), "--nodes", str(nodes))
        refusal = _run(script, data, *options, *properties)
        if not refusal:
            return port
        for node in data.glob("*/pid"):  # another program may have taken a port meanwhile
            with suppress(ProcessLookupError):
                os.kill(int(node.read_text()), signal.SIGKILL)
            shutil.rmtree(node.parent)
    raise NoApacheKafka(f"Apache Kafka did not start: {refusal}")


def _run(script: Path, *arguments: str | Path) -> str:
    """Returns the script's last words where it failed, else nothing."""
    done = subprocess.run(
        [script, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_START_SECONDS,
    )
    return "" if done.returncode == 0 else done.stderr[-500:].strip() or "it said nothing"


def _script() -> Path:
    script = Path(_NAMED_START) if _NAMED_START else _START.resolve()
    if not script.is_file():
        raise NoApacheKafka(
            f"no Apache Kafka to start: there is no {script}; name a script that starts it in "
            "ADLOOM_KAFKA_START, or a cluster for tests in ADLOOM_TEST_KAFKA=host:port"
        )
    _refuse_old_java()
    return script


def _refuse_old_java() -> None:
    advice = f"Apache Kafka needs Java {_OLDEST_JAVA}: apt-get install openjdk-17-jre-headless"
    try:
        said = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    except OSError as error:
        raise NoApacheKafka(f"there is no java; {advice}") from error
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        raise NoApacheKafka(f"java is {said.splitlines()[:1]}; {advice}")


def _free_ports(nodes: int) -> int:
    """A port P with P + 10 i, + 1 and + 2 free for each node i."""
    for port in random.sample(_PORTS, len(_PORTS)):
        wanted = [
            port + 10 * node + listener
            for node in range(1, nodes + 1)
            for listener in range(_PORTS_OF_A_NODE)
        ]
        if _all_free(wanted):
            return port
    raise NoApacheKafka("no free ports for Apache Kafka")


def _all_free(ports: Sequence[int]) -> bool:
    with ExitStack() as probes:
        try:
            for port in ports:
                probes.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            return False
    return True


def _main(command: Sequence[str]) -> int:
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # its nodes end a moment later
    with folder, running_kafka(Path(folder.name)) as cluster:
        environment = os.environ | {"ADLOOM_TEST_KAFKA": cluster.bootstrap_servers}
        return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
