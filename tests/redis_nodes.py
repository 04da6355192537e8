"""Redis as companies run it: a cluster of nodes with replicas, or a master that Sentinels watch."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis, RedisError

from adloom.loop.bench.redis_server import RedisUnavailable

_START_SECONDS = 30.0
_NODE_TIMEOUT_MILLISECONDS = 1_500


class RedisNode:
    """One redis-server process, which writes to the disk as a site's would."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Raises RedisUnavailable when the program is not installed."""
        binary = shutil.which("redis-server")
        if binary is None:
            raise RedisUnavailable("redis-server is not installed: apt-get install redis-server")
        self.port, self.folder = free_port(), folder
        folder.mkdir(parents=True, exist_ok=True)
        self._command = [binary, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
        self._command += ["--repl-diskless-sync-delay", "0"]
        port = ["--port", str(self.port)]
        if "--tls-cert-file" in options:
            port = ["--port", "0", "--tls-port", str(self.port)]
        self._command += ["--dir", str(folder), *port, *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        return self._process is not None

    def client(self) -> Any:
        return Redis(host="127.0.0.1", port=self.port)

    def follows(self) -> bool:
        """Whether it is a replica that has all that its master has."""
        told = self.client().info("replication")
        return bool(told.get("master_link_status") == "up")

    def start(self) -> None:
        """Starts it, with the data it had before."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_until(self._answers)

    def kill(self) -> None:
        """kill -9, as a machine that fails."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it; its data stay."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
                if "--tls-cert-file" in self._command:
                    return True
                client.sendall(b"PING\r\n")
                return client.recv(1) in b"+-"  # or it asks for a login
        except OSError:
            return False


class RedisNodes:
    """A cluster: primaries, and perhaps a replica of each."""

    def __init__(self, folder: Path, primaries: int, replicas: int) -> None:
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout"]
        options += [str(_NODE_TIMEOUT_MILLISECONDS), "--cluster-replica-validity-factor", "0"]
        self.nodes = [
            RedisNode(folder / str(n), *options, "--cluster-port", str(free_port()))
            for n in range(primaries * (1 + replicas))
        ]
        for node in self.nodes:
            node.start()
        self._create(replicas)

    @property
    def url(self) -> str:
        """Feast's form, of several nodes."""
        return ",".join(node.address for node in self.nodes[:3])

    def primaries(self) -> list[RedisNode]:
        """Those that run and take writes."""
        running = [node for node in self.nodes if node.runs]
        return [node for node in running if node.client().info("replication")["role"] == "master"]

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def _create(self, replicas: int) -> None:
        cli = shutil.which("redis-cli")
        if cli is None:
            raise RedisUnavailable("redis-cli is not installed: apt-get install redis-tools")
        command = [cli, "--cluster", "create", *(node.address for node in self.nodes)]
        command += ["--cluster-replicas", str(replicas), "--cluster-yes"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wait_until(self.is_whole)
        wait_until(
            lambda: sum(node.follows() for node in self.nodes) == replicas * len(self.primaries())
        )

    def is_whole(self) -> bool:
        """Whether every node that runs takes part in a whole cluster."""
        try:
            return all(
                node.client().cluster("info")["cluster_state"] == "ok"
                for node in self.nodes
                if node.runs
            )
        except RedisError:
            return False


class WatchedRedis:
    """A master with a replica, and three Sentinels."""

    name, password = "shop", "of Sentinels"

    def __init__(self, folder: Path) -> None:
        self.master = RedisNode(folder / "master")
        self.replica = RedisNode(folder / "replica", "--replicaof", f"127.0.0.1 {self.master.port}")
        self.sentinels = []
        for server in (self.master, self.replica):
            server.start()
        wait_until(self.replica.follows)
        for n in range(3):
            file = folder / f"sentinel-{n}.conf"
            file.write_text(
                f'requirepass "{self.password}"\nsentinel sentinel-pass "{self.password}"\n'
                f"sentinel monitor {self.name} 127.0.0.1 {self.master.port} 2\n"
                f"sentinel down-after-milliseconds {self.name} 1000\n"
                f"sentinel failover-timeout {self.name} 5000\n"
            )
            sentinel = _Sentinel(folder / f"sentinel-{n}", file, self.password)
            sentinel.start()
            self.sentinels.append(sentinel)
        wait_until(self._is_watched)

    @property
    def url(self) -> str:
        return ",".join(sentinel.address for sentinel in self.sentinels)

    def stop(self) -> None:
        for server in (*self.sentinels, self.master, self.replica):
            server.stop()

    def _is_watched(self) -> bool:
        told = [one.client().sentinel_master(self.name) for one in self.sentinels]
        return all(one["num-other-sentinels"] == 2 and one["num-slaves"] == 1 for one in told)


class _Sentinel(RedisNode):
    def __init__(self, folder: Path, file: Path, password: str) -> None:
        super().__init__(folder)
        self._password = password
        binary = self._command[0]
        self._command = [binary, str(file), "--sentinel", "--port", str(self.port)]
        self._command += ["--bind", "127.0.0.1", "--dir", str(folder)]

    def client(self) -> Any:
        return Redis(host="127.0.0.1", port=self.port, password=self._password)


@contextmanager
def running_cluster(primaries: int = 3, replicas: int = 1) -> Iterator[RedisNodes]:
    """Raises RedisUnavailable."""
    with tempfile.TemporaryDirectory(prefix="adloom-cluster-") as folder:
        cluster = RedisNodes(Path(folder), primaries, replicas)
        try:
            yield cluster
        finally:
            cluster.stop()


@contextmanager
def running_sentinels() -> Iterator[WatchedRedis]:
    """Raises RedisUnavailable."""
    with tempfile.TemporaryDirectory(prefix="adloom-sentinel-") as folder:
        watched = WatchedRedis(Path(folder))
        try:
            yield watched
        finally:
            watched.stop()


@contextmanager
def running_node(folder: Path, options: Sequence[str]) -> Iterator[RedisNode]:
    """One server with options of its own."""
    node = RedisNode(folder, *options)
    node.start()
    try:
        yield node
    finally:
        node.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], bool]) -> None:
    """Raises RedisUnavailable when it takes too long."""
    deadline = time.monotonic() + _START_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise RedisUnavailable("the Redis servers do not come up")
        time.sleep(0.05)
