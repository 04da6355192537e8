"""Health is answered whatever waits, and tells of what does not answer."""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from itertools import islice
from typing import Any

import httpx
import pytest

from adloom.loop.serving.app import create_app
from adloom.loop.serving.edge.bounds import Bounds
from adloom.loop.serving.edge.meanwhile import answering_meanwhile
from adloom.loop.serving.http.looking import Look
from adloom.loop.serving.http.pools import NoRoom, Pool
from adloom.loop.serving.readiness import Readiness
from adloom.loop.settings import Settings
from adloom.stream.broker import LocalBroker
from tests.loop.serving.edge_parts import HEAD, health_seconds, listening, send
from tests.loop_parts import tiny_settings
from tests.stream.test_outages import send_signal

CLICK = {"event_id": "c", "ts": "2026-01-02T12:00:00Z", "user_id": "ann", "item_id": "shoe"}
AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}

SECONDS = 8  # of a busy machine; the pool of threads would be taken for 20


@pytest.fixture(scope="module")
def broker() -> Iterator[LocalBroker]:
    with LocalBroker() as running:
        yield running


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, broker: LocalBroker) -> Settings:
    return tiny_settings(
        tmp_path_factory.mktemp("health"),
        kafka={"bootstrap_servers": broker.bootstrap_servers},
        serve={"timeout_seconds": 60, "max_waiting": 40},
    )


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    with listening(create_app(settings), Bounds()) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_broker_that_hangs_holds_up_events_only(url: str, broker: LocalBroker) -> None:
    with httpx.Client(base_url=url, timeout=90) as client, ThreadPoolExecutor(90) as pool:
        body = {"clicks": [CLICK]}
        while client.post("/v1/events", json=body).status_code != 202:
            time.sleep(0.1)
        send_signal(broker, signal.SIGSTOP)
        try:
            posts = [pool.submit(client.post, "/v1/events", json=body) for _ in range(90)]
            refused = [post.result().text for post in islice(as_completed(posts), 90 - 32 - 40)]
            with health_seconds(int(url.rpartition(":")[2])) as seconds:
                for path in ("/healthz", "/readyz", "/metrics", "/v1/products?limit=1"):
                    assert client.get(path, timeout=SECONDS).status_code == 200
                assert client.post("/v1/ads", json=AD).status_code == 200
            waiting = sum(not post.done() for post in posts)
        finally:
            send_signal(broker, signal.SIGCONT)
        accepted = {post.result().status_code for post in posts if "wait" not in post.result().text}
    assert max(seconds) < SECONDS
    assert all("72 requests wait already" in told for told in refused)
    assert waiting == 32 + 40
    assert accepted == {202}


def test_a_catalogue_that_is_locked_holds_up_no_health(url: str, settings: Settings) -> None:
    file = settings.home / "adloom.db"
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as other,
        ThreadPoolExecutor(60) as pool,
        httpx.Client(base_url=url, timeout=90) as client,
    ):
        other.execute("BEGIN EXCLUSIVE")
        try:
            product = {"id": "p", "title": "Pepper mill", "product_highlight": ["of oak"]}
            for _ in range(60):
                pool.submit(client.post, "/v1/products", json={"products": [product]})
            with health_seconds(int(url.rpartition(":")[2])) as seconds:
                time.sleep(0.5)
        finally:
            other.execute("ROLLBACK")
    assert max(seconds) < SECONDS


def test_a_part_that_does_not_say_how_it_is_is_told_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adloom.loop.serving.http.looking._PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr("adloom.loop.serving.http.looking._FRESH_SECONDS", 0.2)
    free = threading.Event()

    def hang() -> Readiness:
        free.wait(30)
        return Readiness(3, {})

    async def looks() -> list[str]:
        look = Look()
        first = await look.look(lambda: Readiness(2, {}))
        fresh = await look.look(hang)
        await asyncio.sleep(0.3)
        late = await look.look(hang)
        free.set()
        await asyncio.sleep(0.1)
        well = await look.look(lambda: Readiness(3, {}))
        assert "does not say how it is" in late.problems["health"]
        return [str(one.version) + one.status for one in (first, fresh, late, well)]

    assert asyncio.run(looks()) == ["2ready", "2ready", "2degraded", "3ready"]


def test_a_pool_takes_so_many_and_refuses_the_next_at_once() -> None:
    free = threading.Event()

    async def calls() -> list[Any]:
        pool = Pool("they wait", threads=2, waiting=1)
        waiting = [asyncio.ensure_future(pool.run(free.wait, 30)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(NoRoom, match="3 requests wait already: they wait"):
            await pool.run(free.wait)
        free.set()
        done = await asyncio.gather(*waiting)
        return [*done, await pool.run(free.wait)]

    assert asyncio.run(calls()) == [True] * 4


def test_while_parts_start_the_address_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with answering_meanwhile([taken], lambda: "loading the model"):
            answer = send(taken.getsockname()[1], HEAD + b"\r\n")
        assert answer.status == 503
        assert "starting: loading the model" in answer.text
        assert "retry-after" in answer.text
        assert taken.fileno() > 0  # the server that follows goes on with it
