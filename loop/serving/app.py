"""The ad server as an application: its parts behind the API and the studio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import torch
from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from adloom.loop import home
from adloom.loop.serving.http.access import Access
from adloom.loop.serving.http.cards import LastCards
from adloom.loop.serving.http.cards import router as cards_router
from adloom.loop.serving.http.creatives import router as creatives_router
from adloom.loop.serving.http.errors import answer_errors
from adloom.loop.serving.http.events import mount_events
from adloom.loop.serving.http.exposures import router as exposures_router
from adloom.loop.serving.http.forgetting import router as forgetting_router
from adloom.loop.serving.http.gathering import Gathered
from adloom.loop.serving.http.heads import AnswersHead
from adloom.loop.serving.http.hosts import HostCheck
from adloom.loop.serving.http.in_time import finder
from adloom.loop.serving.http.limits import BodyLimit
from adloom.loop.serving.http.logs import RequestLog
from adloom.loop.serving.http.origins import PageAccess
from adloom.loop.serving.http.pictures import router as pictures_router
from adloom.loop.serving.http.pools import new_pools
from adloom.loop.serving.http.prefix import Places, Prefix
from adloom.loop.serving.http.products import router as products_router
from adloom.loop.serving.http.routes import router
from adloom.loop.serving.http.script import router as script_router
from adloom.loop.serving.http.traces import Traced
from adloom.loop.serving.http.words import router as words_router
from adloom.loop.serving.round_metrics import ROUNDS
from adloom.loop.serving.server import AdServer
from adloom.loop.serving.studio.router import mount_studio
from adloom.loop.settings import Settings
from adloom.stream.event_reader import EventReader
from adloom.stream.settled_memory import OF_REQUESTS, settled_memory
from adloom.stream.tracing import start_tracing

_MAX_BODY_BYTES = 1 << 20
_MAX_BODY_SECONDS = 20.0
_MAX_PICTURES_BYTES = 32 << 20
_AT_ONCE = 32  # requests for finished ads
_EXPOSURES_AT_ONCE, _EXPOSURES_WAITING = 256, 10_000
_EXPOSURES_PAUSE = 0.02  # as long as the producer lets them wait for others
_TAKE_PICTURES = ("/v1/products", "/studio/api/uploads")


def create_app(
    settings: Settings, *, threads: int | None = None, server: AdServer | None = None
) -> FastAPI:
    """The FastAPI application in front of a running server.

    Without one the parts start with the application and end with it. What draws computes with
    ``threads``, by default as many as torch would take here.
    """
    threads = threads or torch.get_num_threads()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ROUNDS.watch(settings.home / home.ROUNDS_FOLDER)
        with ExitStack() as parts:
            running = app.state.server = server or AdServer(settings, parts, threads)
            parts.enter_context(settled_memory(new=OF_REQUESTS, collect=False))
            waiting = settings.serve.max_waiting
            app.state.finding = Gathered(
                "finished ads are looked for", finder(running), most=_AT_ONCE, waiting=waiting
            )
            app.state.exposing = Gathered(
                "exposures are on their way to the broker",
                running.producer.send_all,
                most=_EXPOSURES_AT_ONCE,
                waiting=_EXPOSURES_WAITING,
                pause=_EXPOSURES_PAUSE,
            )
            yield

    app = FastAPI(
        title="adloom",
        summary="Personalised ads, drawn for a shopper and a product.",
        lifespan=lifespan,
    )
    prefix = settings.serve.path_prefix
    app.state.access = Access(settings.serve)
    app.state.places = Places(prefix, settings.serve.public_url)
    app.state.pools = new_pools(settings.serve.max_waiting)
    app.include_router(router)
    app.include_router(pictures_router)
    app.state.cards = LastCards()
    app.include_router(cards_router)
    mount_events(app, EventReader(settings.kafka, settings.events))
    app.include_router(exposures_router)
    app.include_router(script_router)
    app.include_router(products_router)
    app.include_router(forgetting_router)
    app.include_router(creatives_router)
    app.include_router(words_router)
    mount_studio(app, settings.pictures.public_url)
    answer_errors(app)
    # The last one added is the first to see a request.
    app.add_middleware(AnswersHead)
    app.add_middleware(
        BodyLimit,
        max_bytes=_MAX_BODY_BYTES,
        max_seconds=_MAX_BODY_SECONDS,
        larger=dict.fromkeys(_TAKE_PICTURES, _MAX_PICTURES_BYTES),
    )
    if settings.serve.cors_origins:
        app.add_middleware(PageAccess, origins=settings.serve.cors_origins)
    app.add_middleware(HostCheck, hosts=settings.serve.own_hosts)
    app.add_middleware(RequestLog)
    if start_tracing("adloom-serve"):
        app.add_middleware(Traced)
    if settings.serve.trusted_proxies:
        trusted = [str(network) for network in settings.serve.trusted_proxies]
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=trusted)
    if prefix:
        app.add_middleware(Prefix, prefix=prefix)
    return app
