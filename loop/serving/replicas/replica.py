"""One replica of the ad server under Ray Serve: the application of `adloom.loop.serving.app`."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import FastAPI
from ray import serve
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adloom.loop.serving.app import create_app
from adloom.loop.serving.http.logs import log_as_json
from adloom.loop.settings import Settings

REPLICA_HEADER = "X-Adloom-Replica"
_HEALTH_CHECK_SECONDS = 5.0
_SECONDS_TO_FINISH = 30.0
_OTHER_REQUESTS = 64


class NamedReplica:
    """ASGI middleware: answers tell which replica gave them."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REPLICA_HEADER] = self._name
            await send(message)

        await self._app(scope, receive, named)


def ad_replicas(settings: Settings, most: int) -> serve.Application:
    """The ad server as a Ray Serve application of up to ``most`` replicas."""

    def build() -> FastAPI:
        # Called in the replica. Ray runs the lifespan before the replica gets a request, and when
        # it is taken away.
        log_as_json()
        app = create_app(settings)
        name = serve.get_replica_context().replica_id.unique_id
        app.add_middleware(NamedReplica, name=name)
        app.state.metric_labels = {"replica": name}
        return app

    @serve.ingress(build)
    class AdReplica:
        app: FastAPI  # set by Ray

        async def check_health(self) -> None:
            """A replica that is not ready gets no requests; one that stays so is replaced."""
            inside = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=inside, base_url="http://replica") as client:
                (await client.get("/readyz")).raise_for_status()

    return serve.deployment(name="ad-server", **_options(settings, most))(AdReplica).bind()


def _options(settings: Settings, most: int) -> dict[str, Any]:
    given = settings.ray
    return {
        "ray_actor_options": {"num_cpus": given.cpus, "num_gpus": given.gpus},
        "autoscaling_config": {
            "min_replicas": given.min_replicas,
            "max_replicas": most,
            "target_ongoing_requests": given.target_ongoing_requests,
        },
        # A replica turns ads away itself, with 429, when its queue is full: let so many come.
        "max_ongoing_requests": (
            settings.serve.max_batch + settings.serve.max_waiting + _OTHER_REQUESTS
        ),
        "health_check_period_s": _HEALTH_CHECK_SECONDS,
        "graceful_shutdown_timeout_s": _SECONDS_TO_FINISH,
        "graceful_shutdown_wait_loop_s": 0.5,
        "max_constructor_retry_count": 3,
    }
