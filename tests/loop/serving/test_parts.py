"""The board of a server's parts: threads that end are told and started again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import QueuePool, create_engine

from adloom.loop.serving import asking
from adloom.loop.serving import parts as parts_module
from adloom.loop.serving.http.errors import answer_errors
from adloom.loop.serving.parts import Parts
from adloom.loop.serving.readiness import Readiness


def wait_until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class End(BaseException):
    """What no `except Exception` catches."""


@pytest.mark.parametrize("error", [ValueError("lost"), End("lost"), None])
def test_a_thread_that_ends_is_told_logged_once_and_started_again(
    error: BaseException | None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_module, "_STEADY_SECONDS", 0.1)
    stop, runs, well = threading.Event(), [0], threading.Event()
    board = Parts(stop)

    def target() -> None:
        runs[0] += 1
        if well.is_set():
            stop.wait()
        elif error is not None:
            raise error

    with caplog.at_level(logging.ERROR, "adloom.serve"):
        thread = board.run("feed", target)
        wait_until(lambda: runs[0] >= 3)
        told = board.problems()["feed"]
        assert "its thread ended and is started again" in told
        assert ("lost" in told) == (error is not None)
        well.set()
        wait_until(lambda: board.problems() == {})
    assert len(caplog.records) == 1
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_part_tells_and_is_asked_and_both_are_shown(caplog: pytest.LogCaptureFixture) -> None:
    board = Parts(threading.Event())
    asked: list[str | None] = [None]
    board.ask("features", lambda: asked[0])
    assert board.problems() == {}
    assert board.names == ("features",)
    with caplog.at_level(logging.INFO, "adloom.serve"):
        for _ in range(3):
            board.tell("registry", "MLflow is away")
        asked[0] = "online.db is damaged"
        assert board.problems() == {
            "features": "online.db is damaged",
            "registry": "MLflow is away",
        }
        board.tell("registry", None)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert board.problems() == {"features": "online.db is damaged"}


@pytest.mark.parametrize(
    ("version", "problems", "status"),
    [
        (1, {}, "ready"),
        (1, {"events": "away"}, "degraded"),
        (1, {"registry": "away", "features": "damaged"}, "degraded"),
        (1, {"drawing": "ended"}, "not ready"),
        (1, {"database": "damaged"}, "not ready"),
        (1, {"database": "damaged", "events": "away"}, "not ready"),
        (None, {}, "not ready"),
    ],
)
def test_a_server_is_ready_degraded_or_not_ready(
    version: int | None, problems: dict[str, str], status: str
) -> None:
    readiness = Readiness(version, problems)
    assert readiness.status == status
    assert readiness.told().get("problems", {}) == problems
    for part, why in problems.items():
        assert f"{part}: {why}" in readiness.told()["problem"]


def test_a_part_that_cannot_be_asked_is_told_beside_the_others() -> None:
    board = Parts(threading.Event())

    def lost() -> str | None:
        raise OSError("no such device")

    board.ask("database", lost)
    board.tell("feed", "it is away")
    problems = board.problems()
    assert "does not say how it is (OSError: no such device)" in problems["database"]
    assert problems["feed"] == "it is away"


def test_a_part_that_hangs_is_told_in_time_and_asked_by_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "_PATIENCE_SECONDS", 0.05)
    board, goes_on, asked = Parts(threading.Event()), threading.Event(), [0]

    def hanging() -> str | None:
        asked[0] += 1
        goes_on.wait(30)
        return None

    board.ask("database", hanging)
    board.ask("features", lambda: "online.db is damaged")
    for _ in range(3):
        assert board.problems() == {
            "database": "it does not answer within 0.05 seconds",
            "features": "online.db is damaged",
        }
    assert asked == [1]
    goes_on.set()
    wait_until(lambda: "database" not in board.problems())


def test_who_waits_in_vain_for_a_connection_to_the_database_is_told_when_to_come_back() -> None:
    """As others of the same server do, while it hangs."""
    engine = create_engine(
        "sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    app = FastAPI()
    answer_errors(app)

    @app.get("/")
    def ask() -> None:
        with engine.connect():
            pass

    with engine.connect():
        answer = TestClient(app).get("/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "answers too slowly" in answer.json()["detail"]
