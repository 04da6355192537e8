"""Two servers of two homes on one state: Postgres, an object store, Redis, a broker and MLflow.

Each shows what the other made, and any of the processes may be killed under load.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from adloom.loop import home
from adloom.loop.bench.redis_server import LocalRedis
from adloom.stream.settings import KafkaSettings
from tests.adloom_process import AdloomProcess
from tests.loop_parts import hand_made_registry, register_adapter, tiny_settings
from tests.postgres_server import PostgresServer
from tests.s3_server import running_s3

_PATIENCE_SECONDS = 200.0
_PRODUCT = "running-shoes"


class Shop:
    """The processes, and who asks them: what one does not answer is asked of the other, once."""

    def __init__(self, folder: Path, shared: dict[str, Any]) -> None:
        self._folder = folder
        self.settings = tiny_settings(folder, **shared)  # of the first home, stocked
        self.homes = {"one": self.settings.home, "other": folder / "other"}
        self.ports = {name: _free_port() for name in self.homes}
        self._turn = itertools.count()
        self._environment = (
            os.environ
            | _variables(shared)
            | {
                "ADLOOM_GENERATOR__PATH": str(self.settings.generator.path),
                "ADLOOM_SERVE__FOLLOW_SECONDS": "0.2",
                "ADLOOM_CATALOG__REFRESH_SECONDS": "1",
            }
        )
        self.processes: dict[str, AdloomProcess] = {}
        self.run("one", "migrate")
        hand_made_registry(self.settings)  # MLflow makes no database twice at once
        for name in (*self.homes, "consumer"):
            self.start(name)

    def run(self, home_: str, *arguments: str) -> None:
        status, _, told = self._process(home_, *arguments).ended()
        assert status == 0, told

    def start(self, name: str) -> None:
        if name == "consumer":
            self.processes[name] = self._process("one", "consume")
        else:
            self.processes[name] = self._process(name, "serve", "--port", str(self.ports[name]))

    def kill(self, name: str) -> None:
        self.processes.pop(name).kill()

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()

    def until_ready(self) -> None:
        def ready(name: str) -> bool:
            assert self.processes[name].runs, self.processes[name].ended()[2]
            try:
                return httpx.get(f"{self.url(name)}/readyz", timeout=30).status_code == 200
            except httpx.TransportError:
                return False

        until(lambda: all(ready(name) for name in self.homes))

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def ask(
        self, method: str, path: str, server: str | None = None, **given: Any
    ) -> httpx.Response:
        """As a gate before both does: the next one, and where it does not answer, the other."""
        names = sorted(self.homes)
        first = names[next(self._turn) % 2] if server is None else server
        try:
            answer = httpx.request(method, self.url(first) + path, timeout=90, **given)
            if answer.status_code != 503 or server is not None:
                return answer
        except httpx.TransportError:
            if server is not None:
                raise
        other = next(name for name in names if name != first)
        return httpx.request(method, self.url(other) + path, timeout=90, **given)

    def ad(self, user: str, server: str | None = None, **wanted: Any) -> dict[str, Any]:
        body = {"user_id": user, "product_id": _PRODUCT, **wanted}
        key = {"Idempotency-Key": uuid.uuid4().hex}
        answer = self.ask("POST", "/v1/ads", server, json=body, headers=key)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def _process(self, home_: str, *arguments: str) -> AdloomProcess:
        environment = self._environment | {"ADLOOM_HOME": str(self.homes[home_])}
        return AdloomProcess(*arguments, folder=self._folder, environment=environment)


@pytest.fixture
def shop(
    tmp_path: Path, postgres: PostgresServer, redis: LocalRedis, kafka: KafkaSettings
) -> Iterator[Shop]:
    with running_s3() as s3:
        database = postgres.new_database()
        assert database.password is not None
        pictures = s3.new_place()
        names = {"bootstrap_servers", "topic_prefix", "group_id", "partitions", "session_seconds"}
        shared = {
            "kafka": kafka.model_dump(mode="json", include=names),
            "features": {"online": "redis", "redis_url": redis.url},
            "database": {"url": database.url, "password": database.password.get_secret_value()},
            "pictures": {"url": pictures.url, "endpoint_url": pictures.endpoint_url},
            "mlflow": {"tracking_uri": f"sqlite:///{tmp_path / 'mlflow.db'}"},
        }
        opened = Shop(tmp_path, shared)
        try:
            opened.until_ready()
            yield opened
        finally:
            opened.close()


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_shows_what_the_other_made_and_any_may_be_killed_under_load(shop: Shop) -> None:
    # Pictures.
    drawn = shop.ad("ann", "one", seed=7)
    here, there = (shop.ask("GET", drawn["picture_url"], name) for name in shop.homes)
    assert here.content == there.content
    assert hashlib.sha256(there.content).hexdigest() in drawn["picture_url"]
    assert not list(shop.homes["other"].rglob("*.webp"))
    same = shop.ad("ann", "other", seed=7)
    assert (same["title"], same["picture_url"]) == (drawn["title"], drawn["picture_url"])

    # An ad of a mail: the one drew it, the other hears that it was opened.
    mailed = shop.ad("mia", "one", log_exposure=False)
    opened = shop.ask("POST", f"/v1/exposures/{mailed['exposure_id']}", "other")
    assert opened.status_code == 202, opened.text

    # Products.
    mug = {"id": "two-mug", "title": "Mug of Two", "image": _square()}
    sent = shop.ask("POST", "/v1/products", "one", json={"products": [mug]})
    assert sent.json()["new"] == 1, sent.text
    until(lambda: _sells(shop, "other", "two-mug"))
    assert shop.ask("DELETE", "/v1/products/two-mug", "other").status_code == 200
    until(lambda: not _sells(shop, "one", "two-mug"))

    # Versions.
    registry = home.open_registry(shop.settings)
    version = register_adapter(shop.settings, registry, "two")
    registry.promote(version)
    for name in shop.homes:
        until(lambda name=name: shop.ad("bob", name)["model_version"] == str(version))  # type: ignore[misc]

    # Each process is killed while ads are asked for and clicked.
    ads: list[dict[str, Any]] = []
    clicked: list[str] = []
    for killed in ("one", "consumer", "other"):
        with ThreadPoolExecutor(4) as pool, _Load(shop, killed, pool, ads, clicked) as load:
            load.until_more(4)
            shop.kill(killed)
            load.until_more(8)
        shop.start(killed)
        shop.until_ready()

    # Nothing is lost, and nothing counts twice.
    assert len({ad["ad_id"] for ad in ads}) == len(ads)
    creatives = home.open_creatives(shop.settings)
    known = creatives.get_many([ad["ad_id"] for ad in ads])
    assert {ad["ad_id"]: ad["title"] for ad in ads} == {
        ad_id: creative.title for ad_id, creative in known.items()
    }
    for picture in {creative.picture for creative in known.values()}:
        assert creatives.pictures.file(picture).kind == "webp"
    creatives.close()
    log = home.open_log(shop.settings)
    until(lambda: set(clicked) <= set(log.read("click")["event_id"]))
    read = log.read()
    assert read["event_id"].is_unique
    shown = read[read["kind"] == "exposure"]
    assert shown["ad_id"].is_unique
    assert list(shown[shown["user_id"] == "mia"]["event_id"]) == [mailed["exposure_id"]]


class _Load:
    """Four shoppers who ask for ads and click them until the block ends; none may meet an error."""

    def __init__(
        self,
        shop: Shop,
        name: str,
        pool: ThreadPoolExecutor,
        ads: list[dict[str, Any]],
        clicked: list[str],
    ) -> None:
        self._shop, self._ads, self._clicked = shop, ads, clicked
        self._ended = threading.Event()
        self._shoppers = [pool.submit(self._shop_on, f"{name}-{n}") for n in range(4)]

    def until_more(self, ads: int) -> None:
        wanted = len(self._ads) + ads
        until(lambda: len(self._ads) >= wanted or any(one.done() for one in self._shoppers))

    def __enter__(self) -> _Load:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        for one in self._shoppers:
            one.result()

    def _shop_on(self, user: str) -> None:
        while not self._ended.is_set():
            ad = self._shop.ad(user)
            self._ads.append(ad)
            click = {
                "event_id": uuid.uuid4().hex,
                "ts": datetime.now(UTC).isoformat(),
                "user_id": user,
                "item_id": _PRODUCT,
                "ad_id": ad["ad_id"],
            }
            answer = self._shop.ask("POST", "/v1/events", json={"clicks": [click]})
            assert answer.status_code == 202, answer.text
            self._clicked.append(click["event_id"])


def _sells(shop: Shop, server: str, product_id: str) -> bool:
    body = {"user_id": "ann", "product_id": product_id}
    return shop.ask("POST", "/v1/ads", server, json=body).status_code == 200


def _square() -> str:
    buffer = io.BytesIO()
    Image.new("RGBA", (80, 80), "navy").crop((-9, -9, 90, 90)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _variables(shared: dict[str, Any]) -> dict[str, str]:
    return {
        f"ADLOOM_{section}__{name}".upper(): str(value)
        for section, values in shared.items()
        for name, value in values.items()
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
