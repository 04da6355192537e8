"""The API: `POST /v1/ads` draws; how the server is."""

from __future__ import annotations

import base64
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, BackgroundTasks, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from adloom.loop.catalogue.pictures.store import UnknownPicture, png_bytes
from adloom.loop.catalogue.product import Product, UnknownProduct, with_picture
from adloom.loop.experiments.assignment import Assignment
from adloom.loop.experiments.running import NotAssignable
from adloom.loop.serving.exposures import exposure, kept_exposures
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.http.access import MayWrite, Open
from adloom.loop.serving.http.bodies import AdMade, AdWanted, ad_made
from adloom.loop.serving.http.errors import GUARDED, problem, refusals
from adloom.loop.serving.http.exposition import exposition
from adloom.loop.serving.http.in_time import Wanted, answered_in_time, finished
from adloom.loop.serving.http.once_more import IDEMPOTENCY_KEY, came_for_another, named_by
from adloom.loop.serving.http.pools import NoRoom, pools
from adloom.loop.serving.http.prefix import places
from adloom.loop.serving.http.traces import trace_ad
from adloom.loop.serving.http.waiting import drawn_in_time
from adloom.loop.serving.in_time.chosen import Chosen
from adloom.loop.serving.kept_ads import NotShown
from adloom.loop.serving.metrics import EXPOSURES_LOST
from adloom.loop.serving.requests import AdRequest
from adloom.stream.events import Exposure

if TYPE_CHECKING:
    from adloom.loop.serving.server import AdServer

router = APIRouter(tags=["ads"])


def running(request: Request) -> AdServer:
    """The running parts."""
    server: AdServer = request.app.state.server
    return server


@router.post(
    "/v1/ads",
    response_model=AdMade,
    responses=refusals(*GUARDED, 404, 409, 500, 503, 504),
    dependencies=MayWrite,
)
async def make_ad(
    wanted: AdWanted,
    request: Request,
    after: BackgroundTasks,
    idempotency_key: Annotated[str | None, IDEMPOTENCY_KEY] = None,
) -> Response:
    """An ad for a shopper and a product; it counts as shown once it is sent, or where
    `log_exposure` is false once `POST /v1/exposures/{exposure_id}` says so.

    It is drawn, unless there is a deadline: then a finished one may be answered, and a fresh one
    is drawn behind for those who come next (`source`, `age_seconds`, `fit`).

    A request that is sent again, here or to another server, with the same `Idempotency-Key` gets
    the same ad, and that counts once; with another shopper, product, seed or arm it is refused.

    Where what was drawn may not be shown, since it does not pass inspection or a person has to
    approve it first (`[review]`), a finished ad is answered, or the shop's own; 409 where there is
    none, or a `seed` asks for this one. Where the queue is full the answer is 429. While the
    feature store is away, ads are drawn without a history and say so (`degraded`).
    """
    server = running(request)
    deadline = _deadline(server, wanted)
    seed, ad_id = named_by(idempotency_key, wanted)
    asked = Wanted(
        wanted.user_id,
        wanted.product_id,
        seed,
        _assigned(server, wanted),
        ad_id,
        wanted.personalise,
    )
    if ad_id is not None:
        engine = server.catalogue.engine
        if await pools(request).ads.run(came_for_another, engine, ad_id):
            told = "it came with another request before: make a new key for each"
            refused = problem("Idempotency-Key", told, "used_before", place="header")
            raise HTTPException(422, refused)
    ad: Ad | Chosen
    try:
        if deadline is None:
            ad = await _drawn(server, asked, request)
        else:
            ad = await answered_in_time(server, asked, deadline, request)
    except UnknownProduct as error:
        raise HTTPException(404, problem("product_id", str(error))) from error
    except NotShown as error:
        chosen = None if wanted.seed is not None else await finished(server, asked, request)
        if chosen is None:
            raise HTTPException(409, str(error)) from error
        ad = chosen
    trace_ad(ad)
    png = None
    if wanted.inline_picture:
        png = base64.b64encode(await pools(request).ads.run(_png, server, ad)).decode()
    shown = exposure(ad)
    counts = not server.forgotten.refuses(wanted.user_id, shown.ts)
    if counts and wanted.log_exposure:
        after.add_task(_send, request, shown)
    elif counts:
        keep = kept_exposures(server).keep
        counts = bool(await pools(request).ads.run(keep, [shown], server.forgotten))
    made = ad_made(ad, png, shown.event_id if counts else None, places(request))
    # As text: FastAPI would look through what was made just now, and then write it.
    return Response(made.model_dump_json(), media_type="application/json")


async def _drawn(server: AdServer, asked: Wanted, request: Request) -> Ad | Chosen:
    if asked.ad_id is not None:  # it may have got a finished ad before
        given = await pools(request).ads.run(server.in_time.answers.get, asked.ad_id)
        if given is not None and (chosen := await finished(server, asked, request)) is not None:
            return chosen
    product = await pools(request).ads.run(_to_draw, server, asked.product_id)
    wanted = AdRequest(
        asked.user_id,
        product,
        asked.seed,
        asked.assignment,
        ad_id=asked.ad_id,
        personalised=asked.personalised,
    )
    [ad] = await drawn_in_time([server.request(wanted)], request, server.timeout_seconds)
    return ad


def _deadline(server: AdServer, wanted: AdWanted) -> float | None:
    """By the monotonic clock; a seed is for an ad that is drawn, however long that takes."""
    within = wanted.deadline_ms
    if within is None and wanted.seed is None:
        within = server.settings.serve.deadline_ms
    return None if within is None else time.monotonic() + within / 1000


def _assigned(server: AdServer, wanted: AdWanted) -> Assignment | None:
    told = wanted.assignment
    if told is None:
        return None
    try:
        return server.assigned(told.experiment, told.variant, told.propensity)
    except NotAssignable as error:
        refused = problem(f"assignment.{error.field}", str(error), "not_assignable")
        raise HTTPException(422, refused) from error


def _to_draw(server: AdServer, product_id: str) -> Product:
    """The product with its picture: what draws must wait for nothing. Raises UnknownProduct."""
    product = server.catalogue.selling(product_id)
    with suppress(UnknownPicture):  # then its ad says so
        product = with_picture(product)
    return product


def _png(server: AdServer, ad: Ad | Chosen) -> bytes:
    """The picture as it was drawn, or as it was kept when it was drawn for the first time."""
    if isinstance(ad, Ad) and ad.request.ad_id is None:
        return png_bytes(ad.picture)
    return png_bytes(server.creatives.picture(ad.creative.picture))


async def _send(request: Request, shown: Exposure) -> None:
    try:
        await request.app.state.exposing.ask(shown)
    except NoRoom:
        EXPOSURES_LOST.inc()


@router.get("/healthz", tags=["state"], dependencies=Open)
async def healthz() -> dict[str, str]:
    """The process lives."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    responses={503: {"description": "ads cannot be drawn"}},
    tags=["state"],
    dependencies=Open,
)
async def readyz(request: Request) -> JSONResponse:
    """Whether ads can be drawn, and one was: what is slow the first time is over.

    `status` is ready, degraded (ads go out, and yet `problems` tells of a part that is away,
    damaged, ended or not followed) or not ready (503). `notes` is what someone should see to.
    """
    readiness = await pools(request).readiness.look(lambda: running(request).readiness)
    headers = {} if readiness.draws else {"Retry-After": "5"}
    status = 200 if readiness.draws else 503
    return JSONResponse(readiness.told(), status_code=status, headers=headers)


@router.get("/metrics", response_class=Response, tags=["state"], dependencies=Open)
async def metrics(request: Request) -> Response:
    """Prometheus metrics."""
    await pools(request).readiness.look(lambda: running(request).readiness)  # sets its gauges
    labels = getattr(request.app.state, "metric_labels", {})
    told = await pools(request).metrics.run(exposition, labels)
    return Response(told, media_type=CONTENT_TYPE_LATEST)
