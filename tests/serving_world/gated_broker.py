"""The broker of a server, with a gate in front that may close."""

from __future__ import annotations

import socket
from typing import Any, ClassVar, Self

from adloom.stream.broker import LocalBroker
from tests.tcp_gate import TcpGate


class GatedBroker(LocalBroker):
    """Stands where a server starts a broker of its own; clients know the gate alone."""

    newest: ClassVar[GatedBroker]

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.gate = TcpGate(port)
        self._runs = False
        super().__init__(port, f"127.0.0.1:{self.gate.port}")
        GatedBroker.newest = self

    @property
    def bootstrap_servers(self) -> str:
        port = self.gate.port if self._runs else self._port
        return f"127.0.0.1:{port}"

    def __enter__(self) -> Self:
        super().__enter__()
        self._runs = True
        return self

    def __exit__(self, *ending: Any) -> None:
        super().__exit__(*ending)
        self.gate.close()
