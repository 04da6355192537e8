"""A running server follows its feed while shoppers ask for ads."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from adloom.loop.catalogue.intake import refresh
from adloom.loop.serving.app import create_app
from tests.loop_parts import tiny_settings

PATIENCE_SECONDS = 60.0


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    drawn = Image.new("RGBA", (40, 40))
    drawn.paste((200, 80, 20, 255), (10, 10, 30, 30))
    drawn.save(tmp_path / "mug.png")
    file = tmp_path / "feed.jsonl"
    write(file, ["first", "second", "third"])
    return file


@pytest.fixture
def client(tmp_path: Path, feed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(refresh, "_SETTLE_SECONDS", 0.1)
    catalog = {"source": str(feed), "refresh_seconds": 0.2, "missing": "retire"}
    with TestClient(create_app(tiny_settings(tmp_path, catalog=catalog))) as client:
        wait(lambda: ask(client, "first").status_code == 200)
        yield client


def write(file: Path, ids: list[str], price: str = "9.99 EUR") -> None:
    rows = [{"id": i, "title": f"Mug {i}", "image_link": "mug.png", "price": price} for i in ids]
    partial = file.with_suffix(".partial")
    partial.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    partial.replace(file)


def ask(client: TestClient, product_id: str) -> Any:
    return client.post("/v1/ads", json={"user_id": "ann", "product_id": product_id})


def wait(done: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.1)


def test_a_feed_that_is_rewritten_is_sold_without_a_failed_request(
    client: TestClient, feed: Path
) -> None:
    stop, answers = threading.Event(), []

    def ask_all_the_time() -> None:
        while not stop.is_set():
            answers.append(ask(client, "first").status_code)

    asking = threading.Thread(target=ask_all_the_time)
    asking.start()
    try:
        write(feed, ["first", "second", "new"], price="8.99 EUR")
        wait(lambda: ask(client, "new").status_code == 200)
        wait(lambda: ask(client, "third").status_code == 404)
        assert client.get("/v1/products/first").json()["price"] == "8.99 EUR"
    finally:
        stop.set()
        asking.join()
    assert set(answers) == {200}
    assert "retired" in ask(client, "third").json()["detail"][0]["msg"]


def test_a_broken_feed_is_a_metric_and_ads_go_on(client: TestClient, feed: Path) -> None:
    def problem() -> bool:
        return 'adloom_catalogue_problem{source="feed"} 1.0' in client.get("/metrics").text

    assert not problem()
    feed.write_bytes(b"\x00\xff" * 100)
    wait(problem)
    assert client.get("/readyz").status_code == 200
    assert ask(client, "first").status_code == 200
    assert client.get("/studio/api/loop").json()["catalogue"]["problem"]
    write(feed, ["first", "second", "third"])
    wait(lambda: not problem())
    assert client.get("/studio/api/loop").json()["catalogue"]["problem"] is None
    assert "adloom_catalogue_products_total" in client.get("/metrics").text
