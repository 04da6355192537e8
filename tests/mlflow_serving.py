"""A real `mlflow models serve`, for the tests that ask it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

_START_SECONDS = 240.0


@contextmanager
def mlflow_serving(
    mlflow: Sequence[str], model: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[httpx.Client]:
    """A client of a server that answers by now; the server ends with the block.

    Args:
        mlflow: the command, as `["mlflow"]`.
        model: such as `models:/adloom-ad-generator/1`.
        folder: where the server is started.
        environment: all of its variables; MLFLOW_TRACKING_URI names the registry.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve = ["models", "serve", "-m", model, "--env-manager", "local", "-p", str(port)]
    process = subprocess.Popen(
        [*mlflow, *serve],
        cwd=folder,
        env=environment,
        start_new_session=True,  # it starts processes of its own
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(client):
                assert process.poll() is None, "mlflow models serve ended"
                assert time.monotonic() < deadline, "mlflow models serve never answered"
                time.sleep(0.2)
            yield client
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False
