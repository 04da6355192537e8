"""Requests join those that are drawn, and nobody is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.serving.drawing_queue import DrawingEnded, DrawingQueue, QueueFull
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.requests import AdRequest

PRODUCT = next(iter(load_catalog().values()))


def request(number: int) -> AdRequest:
    return AdRequest(f"shopper-{number}", PRODUCT, number)


def drawn(wanted: AdRequest) -> Ad:
    codes = np.zeros(4, dtype=np.int16)
    creative = Creative(
        f"ad-{wanted.seed}",
        PRODUCT.product_id,
        "A title",
        "0" * 64,
        codes,
        codes,
        "champion",
        "1",
        wanted.seed,
        datetime.now(UTC),
    )
    return Ad(wanted, creative, Image.new("RGB", (8, 8)), (), 0.1, 1, 3)


class Gate:
    """Lets ads be drawn when it is opened, each in three steps; remembers what ran together."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.busy = threading.Event()
        self.batches: list[list[int]] = []
        self._running: dict[int, tuple[AdRequest, Future[Ad], int]] = {}

    def start(self, requests: Sequence[AdRequest]) -> list[Future[Ad]]:
        if any(r.seed == 99 for r in requests):
            raise ValueError("no history to be had")
        futures: list[Future[Ad]] = [Future() for _ in requests]
        for wanted, future in zip(requests, futures, strict=True):
            self._running[wanted.seed] = wanted, future, 0
        return futures

    def step(self) -> None:
        self.busy.set()
        assert self.open.wait(10)
        self.batches.append(list(self._running))
        for seed, (wanted, future, steps) in list(self._running.items()):
            if future.cancelled():
                pass
            elif seed == 13:
                future.set_exception(ValueError("unlucky"))
            elif steps == 2:
                future.set_result(drawn(wanted))
            else:
                self._running[seed] = wanted, future, steps + 1
                continue
            del self._running[seed]
        if 66 in self._running:
            raise RuntimeError("out of memory")


def queue_of(gate: Gate, *, max_batch: int, max_waiting: int) -> DrawingQueue:
    return DrawingQueue(gate.start, gate.step, max_batch=max_batch, max_waiting=max_waiting)


def test_what_waits_joins_while_there_is_room() -> None:
    gate = Gate()
    with queue_of(gate, max_batch=3, max_waiting=9) as queue:
        futures = [queue.submit(request(0))]
        assert gate.busy.wait(10)
        futures += [queue.submit(request(n)) for n in range(1, 6)]
        gate.open.set()
        assert [f.result(10).request.seed for f in futures] == list(range(6))
    assert gate.batches[:5] == [[0], [0, 1, 2], [0, 1, 2], [1, 2, 3], [3, 4, 5]]
    assert max(map(len, gate.batches)) == 3


def test_a_step_that_waits_is_told_of_who_arrives() -> None:
    gate, told = Gate(), threading.Event()

    def step() -> None:  # as where others draw: it waits until it is told
        assert told.wait(10)
        told.clear()
        gate.step()
        told.set()

    gate.open.set()
    with DrawingQueue(gate.start, step, max_batch=3, max_waiting=9, wake=told.set) as queue:
        assert [queue.submit(request(n)).result(10).request.seed for n in (1, 2)] == [1, 2]


def test_what_prepares_runs_in_the_thread_that_draws() -> None:
    gate = Gate()
    names: list[str] = []

    def notes() -> None:
        names.append(threading.current_thread().name)

    with DrawingQueue(gate.start, gate.step, max_batch=1, max_waiting=1, prepare=notes):
        assert names == ["drawing"]

    def fails() -> None:
        raise MemoryError("no room for the caches")

    with pytest.raises(MemoryError, match="no room"):
        DrawingQueue(gate.start, gate.step, max_batch=1, max_waiting=1, prepare=fails)


def test_a_full_queue_turns_requests_away() -> None:
    gate = Gate()
    with queue_of(gate, max_batch=1, max_waiting=2) as queue:
        queue.submit(request(0))
        assert gate.busy.wait(10)
        queue.submit(request(1))
        queue.submit(request(2))
        with pytest.raises(QueueFull, match="2 requests wait already"):
            queue.submit(request(3))
        gate.open.set()


def test_a_failed_request_leaves_those_beside_it_alone() -> None:
    gate = Gate()
    with queue_of(gate, max_batch=3, max_waiting=9) as queue:
        first = queue.submit(request(0))
        assert gate.busy.wait(10)
        beside = [queue.submit(request(n)) for n in (13, 1)]
        gate.open.set()
        with pytest.raises(ValueError, match="unlucky"):
            beside[0].result(10)
        assert [f.result(10).request.seed for f in (first, beside[1])] == [0, 1]


@pytest.mark.parametrize(("seed", "message"), [(99, "no history"), (66, "out of memory")])
def test_a_failed_batch_leaves_the_queue_alive(seed: int, message: str) -> None:
    gate = Gate()
    gate.open.set()
    with queue_of(gate, max_batch=1, max_waiting=9) as queue:
        with pytest.raises((ValueError, RuntimeError), match=message):
            queue.submit(request(seed)).result(10)
        gate._running.clear()
        assert queue.submit(request(1)).result(10).request.seed == 1
        assert queue.alive


def test_closing_finishes_what_runs_and_cancels_what_waits() -> None:
    gate = Gate()
    queue = queue_of(gate, max_batch=1, max_waiting=9)
    first = queue.submit(request(0))
    assert gate.busy.wait(10)
    waiting = queue.submit(request(1))
    closing = threading.Thread(target=queue.close)
    closing.start()
    with pytest.raises(CancelledError):
        waiting.result(10)
    gate.open.set()
    closing.join(10)
    assert first.result(10).request.seed == 0
    assert not queue.alive


def test_what_nobody_waits_for_is_drawn_no_further() -> None:
    gate = Gate()
    with queue_of(gate, max_batch=2, max_waiting=9) as queue:
        running, beside = queue.submit(request(0)), queue.submit(request(1))
        assert gate.busy.wait(10)
        waiting = queue.submit(request(2))
        assert running.cancel()
        assert waiting.cancel()
        gate.open.set()
        assert beside.result(10).request.seed == 1
    assert not any(2 in batch for batch in gate.batches)


class Broken(BaseException):
    """What ends a thread."""


def test_a_drawing_thread_that_ends_tells_so_and_lets_nobody_wait() -> None:
    gate = Gate()
    gate.open.set()
    entered, go_on = threading.Event(), threading.Event()

    def start(requests: Sequence[AdRequest]) -> list[Future[Ad]]:
        entered.set()
        assert go_on.wait(10)
        raise Broken("no memory at all")

    queue = DrawingQueue(start, gate.step, max_batch=1, max_waiting=9)
    assert queue.problem is None
    drawn_now = queue.submit(request(0))
    assert entered.wait(10)
    waiting = queue.submit(request(1))
    go_on.set()
    with pytest.raises(DrawingEnded, match="no memory at all"):
        waiting.result(10)
    with pytest.raises(Broken):
        drawn_now.result(10)
    queue.close()
    assert "no memory at all" in (queue.problem or "")
    with pytest.raises(DrawingEnded):
        queue.submit(request(2))


def test_steps_that_fail_one_after_the_other_are_a_problem_until_an_ad_is_drawn() -> None:
    gate = Gate()
    gate.open.set()
    failing = True

    def step() -> None:
        if failing:
            raise MemoryError("no room")
        gate.step()

    with DrawingQueue(gate.start, step, max_batch=1, max_waiting=9) as queue:
        for number in range(3):
            assert queue.problem is None
            with pytest.raises(MemoryError):
                queue.submit(request(number)).result(10)
        assert "tries to draw failed (MemoryError: no room)" in (queue.problem or "")
        failing = False
        queue.submit(request(4)).result(10)
        assert queue.problem is None
