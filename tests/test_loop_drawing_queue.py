"""Requests that wait are drawn together, and nobody is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from loop.ads import Ad, AdRequest
from loop.creatives import Creative
from loop.drawing_queue import DrawingQueue, QueueFull
from loop.shop.catalog import load_catalog

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
    return Ad(wanted, creative, Image.new("RGB", (8, 8)), (), 0.1, 1)


class Gate:
    """Draws nothing until it is opened; remembers the batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.busy = threading.Event()
        self.batches: list[list[int]] = []

    def draw(self, requests: Sequence[AdRequest]) -> list[Ad]:
        self.busy.set()
        assert self.open.wait(10)
        self.batches.append([r.seed for r in requests])
        if any(r.seed == 13 for r in requests):
            raise ValueError("unlucky")
        return [drawn(r) for r in requests]


def test_what_waits_is_drawn_in_one_batch() -> None:
    gate = Gate()
    with DrawingQueue(gate.draw, max_batch=3, max_waiting=9) as queue:
        futures = [queue.submit(request(0))]
        assert gate.busy.wait(10)
        futures += [queue.submit(request(n)) for n in range(1, 6)]
        gate.open.set()
        assert [f.result(10).request.seed for f in futures] == list(range(6))
    assert gate.batches == [[0], [1, 2, 3], [4, 5]]


def test_a_full_queue_turns_requests_away() -> None:
    gate = Gate()
    with DrawingQueue(gate.draw, max_batch=1, max_waiting=2) as queue:
        queue.submit(request(0))
        assert gate.busy.wait(10)
        queue.submit(request(1))
        queue.submit(request(2))
        with pytest.raises(QueueFull, match="2 requests wait already"):
            queue.submit(request(3))
        gate.open.set()


def test_a_failed_batch_leaves_the_queue_alive() -> None:
    gate = Gate()
    gate.open.set()
    with DrawingQueue(gate.draw, max_batch=1, max_waiting=9) as queue:
        with pytest.raises(ValueError, match="unlucky"):
            queue.submit(request(13)).result(10)
        assert queue.submit(request(1)).result(10).request.seed == 1
        assert queue.alive


def test_closing_cancels_what_waits() -> None:
    gate = Gate()
    queue = DrawingQueue(gate.draw, max_batch=1, max_waiting=9)
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
