"""MLflow's client, asked with a limit: a server that is away is told in seconds, not in minutes.

MLflow itself waits 120 s for an answer and asks eight times, with pauses that grow. Its variables
bound one request here, where their user has not set them; what they leave open (a name that no
server resolves, many addresses, an answer that trickles in) is bounded by a clock beside it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, cast

from mlflow import MlflowClient

from adloom.loop.learning.registry_errors import mlflow_asked
from adloom.loop.learning.request_headers import load_request_headers
from adloom.loop.learning.within import LIMIT_SECONDS, SILENCE_SECONDS, TIMEOUT_VARIABLE, within

_TRANSFER_SECONDS = 60  # of silence: a proxy fetches the whole file before it sends the first byte
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_OURS = {
    TIMEOUT_VARIABLE: SILENCE_SECONDS,
    _RETRIES: "1",  # at once: a connection that was kept open may have been closed
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # it may say an hour
}
_TRANSFERS = ("log_artifact", "log_dict", "log_image", "log_table", "log_text", "load_table")


def asked_client(tracking_uri: str) -> MlflowClient:
    """A client whose every call raises `RegistryUnavailable` after 10 s, or `RegistryRefused`.

    Calls that send files take as long as bytes flow. A user's own MLFLOW_HTTP_REQUEST_TIMEOUT and
    MLFLOW_HTTP_REQUEST_MAX_RETRIES stand, and allow more.
    """
    limit_requests()
    if not _is_file(tracking_uri):
        load_request_headers()  # seconds, and none of them the server's
    with mlflow_asked(tracking_uri):
        client = within(_limit(tracking_uri), lambda: MlflowClient(tracking_uri))
    return cast("MlflowClient", _Asked(client, tracking_uri))


def limit_requests() -> None:
    """Sets MLflow's variables for this process, but for those that are set."""
    for name, value in _OURS.items():
        os.environ.setdefault(name, value)


@contextmanager
def transfers(tracking_uri: str) -> Iterator[None]:
    """In this block files go up or down: MLflow may be silent for longer than for an answer.

    Raises:
        RegistryUnavailable, RegistryRefused.
    """
    limit_requests()
    with _patience, mlflow_asked(tracking_uri):
        yield


class _Patience:
    """Longer silences while any thread sends files; MLflow knows one time-out for the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = 0

    def __enter__(self) -> None:
        with self._lock:
            self._held += 1
            if os.environ.get(TIMEOUT_VARIABLE) == _OURS[TIMEOUT_VARIABLE]:
                os.environ[TIMEOUT_VARIABLE] = str(_TRANSFER_SECONDS)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._held -= 1
            if not self._held and os.environ.get(TIMEOUT_VARIABLE) == str(_TRANSFER_SECONDS):
                os.environ[TIMEOUT_VARIABLE] = _OURS[TIMEOUT_VARIABLE]


_patience = _Patience()


class _Asked:
    """Stands for a client; see `asked_client`."""

    def __init__(self, client: MlflowClient, tracking_uri: str) -> None:
        self._client = client
        self._uri = tracking_uri

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method

        @wraps(method)
        def ask(*given: Any, **named: Any) -> Any:
            if name in _TRANSFERS:
                with transfers(self._uri):
                    return method(*given, **named)
            with mlflow_asked(self._uri):
                return within(_limit(self._uri), lambda: method(*given, **named))

        return ask


def _limit(tracking_uri: str) -> float | None:
    """Seconds; None for a database of this machine, which is as slow as the machine."""
    if _is_file(tracking_uri):
        return None
    if os.environ[TIMEOUT_VARIABLE] in (_OURS[TIMEOUT_VARIABLE], str(_TRANSFER_SECONDS)):
        return LIMIT_SECONDS
    return max(LIMIT_SECONDS, float(os.environ[TIMEOUT_VARIABLE]) * (int(os.environ[_RETRIES]) + 1))


def _is_file(tracking_uri: str) -> bool:
    return tracking_uri.startswith("sqlite:") or "://" not in tracking_uri
