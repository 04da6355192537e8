"""A running ad server at a real socket, and what it says of itself."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import httpx

from adloom.loop.serving.app import create_app
from adloom.loop.serving.edge.bounds import Bounds
from adloom.loop.settings import Settings
from tests.loop.serving.edge_parts import listening
from tests.serving_world.gated_broker import GatedBroker

PRODUCT = "running-shoes"
_HEALTH_SECONDS = 8.0  # of a machine that is busy; what waits for a part takes longer


class ServedApp:
    """The whole server, with a broker of its own: a `GatedBroker`."""

    def __init__(self, settings: Settings) -> None:
        self._parts = ExitStack()
        bounds = Bounds(connections=settings.serve.max_connections)
        self.port = self._parts.enter_context(listening(create_app(settings), bounds))
        self.broker = GatedBroker.newest

    def close(self) -> None:
        """As SIGTERM ends it."""
        self._parts.close()

    def ad(self, seed: int) -> httpx.Response:
        wanted = {"user_id": f"u{seed % 3}", "product_id": PRODUCT, "seed": seed}
        return self._asked("POST", "/v1/ads", json=wanted)

    def click(self, ad_id: str) -> tuple[str, httpx.Response]:
        """The event's id, and what it was answered."""
        event_id = uuid.uuid4().hex
        told = {"event_id": event_id, "ts": datetime.now(UTC).isoformat(), "ad_id": ad_id}
        event = told | {"user_id": "u0", "item_id": PRODUCT}
        return event_id, self._asked("POST", "/v1/events", json={"clicks": [event]})

    def picture(self, digest: str) -> httpx.Response:
        return self._asked("GET", f"/v1/pictures/{digest}.webp")

    def studio(self, path: str, **given: object) -> httpx.Response:
        return self._asked("POST", f"/studio/api/{path}", json=given)

    def health(self) -> None:
        """Answers within a second, or within what a busy machine makes of it."""
        answer = self._asked("GET", "/healthz", timeout=_HEALTH_SECONDS)
        assert answer.status_code == 200

    def ready(self) -> tuple[int, dict[str, Any]]:
        answer = self._asked("GET", "/readyz", timeout=_HEALTH_SECONDS)
        return answer.status_code, answer.json()

    def metrics(self) -> dict[str, float]:
        """Values by series."""
        answer = self._asked("GET", "/metrics", timeout=_HEALTH_SECONDS)
        assert answer.status_code == 200
        lines = [line.rpartition(" ") for line in answer.text.splitlines() if line[:1] != "#"]
        return {series: float(value) for series, _, value in lines}

    def _asked(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Over a connection of its own: one that rests may be closed for others."""
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.request(method, url, **{"timeout": 120.0, **given})
