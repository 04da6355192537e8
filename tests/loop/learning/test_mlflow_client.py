"""MLflow is asked with a limit, and what goes wrong is told in one line."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from adloom.loop.learning import mlflow_client
from adloom.loop.learning.mlflow_client import asked_client, transfers
from adloom.loop.learning.registry_errors import (
    RegistryRefused,
    RegistryUnavailable,
    mlflow_asked,
    without_login,
)
from adloom.loop.learning.within import LIMIT_SECONDS
from tests.mlflow_server import READER, UNKNOWN, WRITER, MlflowServer, User, logged_in
from tests.tcp_gate import State, TcpGate

_TIMEOUT, _RETRIES = "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


@pytest.fixture
def gate() -> Iterator[TcpGate]:
    """A gate that leads to nothing."""
    made = TcpGate(target_port=9)
    yield made
    made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user sets it who waits for less."""
    monkeypatch.setenv(_TIMEOUT, "1")
    monkeypatch.setenv(_RETRIES, "0")


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("refuse", "the connection is refused"),
        ("drop", "does not answer in time"),
        ("hang", "does not answer in time"),
        ("cut", "does not answer in time"),
        ("fail", "it answers 503"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_away_is_told_in_one_line(gate: TcpGate, state: State, why: str) -> None:
    gate.set(state)
    with pytest.raises(RegistryUnavailable, match=why) as told:
        asked_client(f"http://ann:secret@127.0.0.1:{gate.port}").search_registered_models()
    assert f"MLflow at http://127.0.0.1:{gate.port}" in str(told.value)
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.usefixtures("impatient")
def test_a_name_without_a_machine_and_a_port_without_tls_are_told_as_such(gate: TcpGate) -> None:
    with pytest.raises(RegistryUnavailable, match="no machine of that name"):
        asked_client("http://no-such-host.invalid:5000").search_registered_models()
    gate.set("fail")
    with pytest.raises(RegistryUnavailable, match="no TLS connection"):
        asked_client(f"https://127.0.0.1:{gate.port}").search_registered_models()


def test_unless_set_a_question_has_ten_seconds_with_all_its_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (_TIMEOUT, _RETRIES):
        monkeypatch.delenv(name, raising=False)
    asked_client("http://127.0.0.1:9")
    assert mlflow_client._limit("http://127.0.0.1:9") == LIMIT_SECONDS == 10
    assert int(os.environ[_TIMEOUT]) <= LIMIT_SECONDS
    with transfers("http://127.0.0.1:9"):  # a question beside it has no more
        assert int(os.environ[_TIMEOUT]) > LIMIT_SECONDS
        assert mlflow_client._limit("http://127.0.0.1:9") == LIMIT_SECONDS
    assert int(os.environ[_TIMEOUT]) <= LIMIT_SECONDS


def test_the_limit_holds_where_each_byte_comes_in_time(
    gate: TcpGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (_TIMEOUT, _RETRIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(mlflow_client, "LIMIT_SECONDS", 1.0)
    gate.set("trickle")
    with pytest.raises(RegistryUnavailable, match="does not answer in time"):
        asked_client(f"http://127.0.0.1:{gate.port}").search_registered_models()


def test_what_a_user_sets_of_mlflow_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_TIMEOUT, "40")
    monkeypatch.setenv(_RETRIES, "2")
    asked_client("http://127.0.0.1:9")
    assert mlflow_client._limit("http://127.0.0.1:9") == 120
    with transfers("http://127.0.0.1:9"):
        assert (os.environ[_TIMEOUT], os.environ[_RETRIES]) == ("40", "2")
    assert os.environ[_TIMEOUT] == "40"


@pytest.mark.parametrize("user", [None, UNKNOWN])
def test_without_a_login_mlflow_says_401(guarded_mlflow: MlflowServer, user: User | None) -> None:
    with logged_in(user), pytest.raises(RegistryRefused, match="TRACKING_PASSWORD") as told:
        asked_client(guarded_mlflow.uri).search_registered_models()
    assert told.value.status == 401
    assert UNKNOWN.password not in str(told.value)


def test_who_may_only_read_reads_and_is_refused_the_rest(guarded_mlflow: MlflowServer) -> None:
    with logged_in(WRITER):
        asked_client(guarded_mlflow.uri).create_registered_model("only-read")
    with logged_in(READER):
        client = asked_client(guarded_mlflow.uri)
        assert client.get_registered_model("only-read").name == "only-read"
        with pytest.raises(RegistryRefused, match=r"403, Permission denied.*right") as told:
            client.set_registered_model_tag("only-read", "a", "b")
        assert told.value.status == 403
        with pytest.raises(MlflowException, match="not found"):  # an answer, no failure
            client.get_registered_model("no-such-model")


def test_another_web_server_at_that_address_is_no_mlflow() -> None:
    class NotMlflow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), NotMlflow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(RegistryRefused, match="address of an MLflow server") as told:
            asked_client(f"http://127.0.0.1:{server.server_port}").search_registered_models()
    finally:
        server.shutdown()
    assert told.value.status == 404
    assert "<" not in str(told.value)


def test_a_database_that_is_damaged_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    with pytest.raises(RegistryUnavailable, match=r"mlflow\.db: the database cannot be used, file"):
        asked_client(f"sqlite:///{tmp_path / 'mlflow.db'}").search_registered_models()


def test_a_database_whose_package_is_missing_is_told_with_its_name() -> None:
    with pytest.raises(RegistryUnavailable, match="Python package MySQLdb is missing"):
        asked_client("mysql://nobody@127.0.0.1:9/none").search_registered_models()


@given(user=st.text("ab:%41", min_size=1), password=st.text("XYZ!$&", min_size=3))
def test_a_login_in_an_address_is_never_told(user: str, password: str) -> None:
    uri = f"https://{user}:{password}@mlflow.example:5000/path"
    assert without_login(uri) == "https://mlflow.example:5000/path"
    failed = requests.ConnectionError(f"no way to {uri}")
    with pytest.raises(RegistryUnavailable) as told, mlflow_asked(uri):
        raise failed
    assert password not in str(told.value).replace("mlflow.example", "")


def test_errors_of_others_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="mine"), mlflow_asked("http://127.0.0.1:9"):
        raise ValueError("mine")
    with pytest.raises(ssl.SSLError), mlflow_asked("http://127.0.0.1:9"):
        raise ssl.SSLError("of something else")
