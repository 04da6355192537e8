"""The ad server: `POST /v1/ads` draws, `POST /v1/events` listens, the champion is followed."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError

from loop import home
from loop.ads import Ad, AdMaker, AdRequest, Serving, exposure
from loop.api_models import Accepted, AdMade, AdWanted, Events, ad_made
from loop.champion import Champion
from loop.creatives import CreativeStore, UnknownAd
from loop.drawing_queue import DrawingQueue, QueueFull
from loop.experiments.running import RunningExperiments, versions_of_arms
from loop.http_limits import BodyLimit
from loop.settings import Settings
from loop.shop.catalog import Product, UnknownProduct, load_catalog
from loop.studio.router import mount_studio
from stream.broker import running_broker
from stream.consumer import EventConsumer
from stream.events import Event
from stream.producer import EventProducer

_log = logging.getLogger("adloom.serve")
_MAX_BODY_BYTES = 1 << 20
_EVENTS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Events.model_json_schema()}},
    }
}


class AdServer:
    """The running parts behind the HTTP interface.

    Without a configured broker it starts the local one and applies its events itself, so that
    a click posted here changes the next ad.
    """

    def __init__(self, settings: Settings, parts: ExitStack) -> None:
        own_broker = settings.kafka.bootstrap_servers is None
        kafka = parts.enter_context(running_broker(settings.kafka))
        self.features = features = parts.enter_context(home.open_features(settings))
        self.creatives: CreativeStore = home.open_creatives(settings)
        parts.callback(self.creatives.close)
        generator = home.load_generator(settings)
        self.registry = registry = home.open_registry(settings)
        beside = versions_of_arms(settings.experiments, registry, datetime.now(UTC))
        self.champion = Champion(generator, registry, beside)
        self.settings = settings
        self._experiments = RunningExperiments(
            settings.experiments, features.log, timedelta(hours=settings.rounds.attribution_hours)
        )
        self._experiments.refresh(datetime.now(UTC))
        self.maker = AdMaker(generator, features, self.creatives, settings.generator)
        self.producer = parts.enter_context(EventProducer(kafka))
        self.stop = threading.Event()
        self.consumer: EventConsumer | None = None
        if own_broker:
            consumer_features = parts.enter_context(home.open_features(settings))
            self.consumer = consumer = EventConsumer(kafka, consumer_features)
            parts.callback(consumer.close)
            self._in_thread(parts, "consumer", lambda: consumer.run(self.stop))
        self._in_thread(parts, "follower", lambda: self._follow(settings.serve.follow_seconds))
        self.queue = parts.enter_context(
            DrawingQueue(
                self._start,
                self.maker.step,
                max_batch=settings.serve.max_batch,
                max_waiting=settings.serve.max_waiting,
            )
        )
        parts.callback(self.stop.set)

    def request(self, user_id: str, product: Product, seed: int) -> Future[Ad]:
        """Queue an ad, from the arm that the shopper is in. Raises QueueFull."""
        assignment = self._experiments.assign(user_id, datetime.now(UTC))
        return self.queue.submit(AdRequest(user_id, product, seed, assignment))

    def preview(self, request: AdRequest) -> Future[Ad]:
        """Queue an ad that no shopper is shown. Raises QueueFull."""
        return self.queue.submit(request)

    def _start(self, requests: Sequence[AdRequest]) -> list[Future[Ad]]:
        with self.champion.lock:
            return self.maker.start([(request, self._serving(request)) for request in requests])

    def _serving(self, request: AdRequest) -> Serving:
        if request.preview is not None:
            by = request.preview.variant
            return replace(self.champion.version(by.version), variant=by.name, settings=by.settings)
        if request.assignment is None:
            return self.champion.serving
        arm = self._experiments.arm(request.assignment)
        return replace(
            self.champion.version(arm.version),
            variant=request.assignment.variant,
            settings=arm.applied_to(self.settings.generator),
        )

    def _follow(self, seconds: float) -> None:
        while not self.stop.wait(seconds):
            try:
                if self.champion.follow():
                    _log.info("champion is now version %d", self.champion.serving.version)
                self._experiments.refresh(datetime.now(UTC))
            except Exception:
                # What served goes on serving while the registry or the log is away.
                _log.exception("aliases and shares could not be followed")

    def _in_thread(self, parts: ExitStack, name: str, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        parts.callback(thread.join)
        parts.callback(self.stop.set)


def _running(request: Request) -> AdServer:
    server: AdServer = request.app.state.server
    return server


async def _events(request: Request) -> Events:
    """The body as strict JSON: FastAPI would decode it first, and then a moment is just text."""
    try:
        return Events.model_validate_json(await request.body())
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        raise RequestValidationError(
            [{**problem, "loc": ("body", *problem["loc"])} for problem in problems]
        ) from error


# At module level: FastAPI resolves the annotations of its routes there.
Server = Annotated[AdServer, Depends(_running)]


def create_app(settings: Settings) -> FastAPI:
    """The FastAPI application; the parts start with it and end with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as parts:
            app.state.server = AdServer(settings, parts)
            yield

    app = FastAPI(
        title="adloom",
        summary="Personalised ads, drawn for a shopper and a product.",
        lifespan=lifespan,
    )
    app.add_middleware(BodyLimit, max_bytes=_MAX_BODY_BYTES)

    @app.post("/v1/ads", responses={404: {}, 429: {}})
    async def make_ad(
        wanted: AdWanted, server: Server, request: Request, after: BackgroundTasks
    ) -> AdMade:
        """Draw an ad for a shopper and a product; it counts as shown once it is sent."""
        try:
            product = load_catalog()[wanted.product_id]
        except UnknownProduct as error:
            raise HTTPException(404, _problem("product_id", str(error))) from error
        seed = secrets.randbelow(2**31) if wanted.seed is None else wanted.seed
        try:
            future = server.request(wanted.user_id, product, seed)
        except QueueFull as error:
            raise HTTPException(429, str(error), headers={"Retry-After": "1"}) from error
        ad = await asyncio.wrap_future(future)
        png = None
        if wanted.inline_picture:
            path = server.creatives.picture_path(ad.creative.picture)
            png = base64.b64encode(await asyncio.to_thread(path.read_bytes)).decode()
        if not await request.is_disconnected():  # nobody waits for it any more: not shown
            after.add_task(server.producer.send, exposure(ad))
        return ad_made(ad, png)

    @app.get("/v1/pictures/{digest}.png", responses={404: {}}, response_class=FileResponse)
    def picture(digest: str, server: Server) -> FileResponse:
        """The picture of an ad by the SHA-256 of its bytes."""
        try:
            path = server.creatives.picture_path(digest)
        except UnknownAd as error:
            raise HTTPException(404, f"no picture {digest!r}") from error
        return FileResponse(
            path,
            media_type="image/png",
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    @app.post("/v1/events", status_code=202, openapi_extra=_EVENTS_BODY)
    def take_events(events: Annotated[Events, Depends(_events)], server: Server) -> Accepted:
        """Put a page's impressions and clicks on the stream."""
        taken: list[Event] = [*events.impressions, *events.clicks]
        for event in taken:
            server.producer.send(event)
        server.producer.flush()
        return Accepted(accepted=len(taken))

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """The process lives."""
        return {"status": "alive"}

    @app.get("/readyz", responses={503: {}})
    def readyz(server: Server) -> dict[str, str]:
        """Ads can be drawn."""
        if not server.queue.alive:
            raise HTTPException(503, "the drawing thread has ended")
        return {"status": "ready", "version": str(server.champion.serving.version)}

    @app.get("/metrics", response_class=Response)
    def metrics() -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    mount_studio(app)
    return app


def _problem(field: str, message: str) -> list[dict[str, object]]:
    """The form FastAPI gives its own validation errors."""
    return [{"loc": ["body", field], "msg": message, "type": "not_found"}]
