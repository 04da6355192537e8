"""Threads that compute wait shortly awake, or asleep, or as a user said."""

from __future__ import annotations

import os

import pytest

from adloom.loop.openmp import asleep, wait_shortly_awake


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is as before after the test
        monkeypatch.delenv(name)


def test_threads_wait_shortly_awake() -> None:
    wait_shortly_awake()
    assert int(os.environ["GOMP_SPINCOUNT"]) > 0


@pytest.mark.parametrize(
    ("name", "value"), [("GOMP_SPINCOUNT", "7"), ("OMP_WAIT_POLICY", "ACTIVE")]
)
def test_what_a_user_said_stays(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    before = dict(os.environ)
    wait_shortly_awake()
    assert dict(os.environ) == before
    assert asleep(os.environ)[name] == value


def test_the_process_that_draws_sleeps_though_its_server_does_not() -> None:
    wait_shortly_awake()
    told = asleep({**os.environ, "HOME": "/x"})
    assert told["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "GOMP_SPINCOUNT" not in told
    assert told["HOME"] == "/x"
