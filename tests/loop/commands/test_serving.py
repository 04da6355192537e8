"""`adloom serve` finds what is wrong before it loads anything, and ends while it starts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adloom.loop.commands.app import app

_COMMAND = "from adloom.loop.commands.app import app; app()"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def told(*arguments: str) -> str:
    """The one line that the command ends with."""
    result = CliRunner().invoke(app, ["serve", *arguments])
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    return line


def test_a_port_in_use_is_told_and_nothing_is_made(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for more in ([], ["--ray"]):
            line = told("--port", str(port), *more)
            assert f"another program listens at 127.0.0.1:{port}" in line
            assert "--port N" in line
    assert not home.exists() or not any(home.iterdir())


def test_an_address_that_others_reach_needs_a_key_and_one_that_is_not_here_is_told(
    home: Path,
) -> None:
    assert "serve.api_keys" in told("--host", "0.0.0.0", "--port", "0")
    os.environ["ADLOOM_SERVE__API_KEYS"] = '["a-key-of-16-or-more"]'
    try:
        assert "serve.host: cannot listen at 192.0.2.1" in told("--host", "192.0.2.1")
        assert "serve.host: no.such.invalid" in told("--host", "no.such.invalid")
    finally:
        del os.environ["ADLOOM_SERVE__API_KEYS"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_start_can_be_interrupted(home: Path, number: signal.Signals, status: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as serving:
        assert serving.stderr is not None
        line = serving.stderr.readline()
        assert "loading Python packages" in line
        assert '"seconds": ' in line
        serving.send_signal(number)
        _, rest = serving.communicate(timeout=120)
    assert serving.returncode == status
    assert "Traceback" not in rest
    assert "serving at" not in rest
