"""The studio's page and the JSON it is made of."""

from __future__ import annotations

import asyncio
import io
import secrets
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adloom.loop.catalogue.product import Product, UnknownProduct
from adloom.loop.learning.registry import UnknownVersion
from adloom.loop.serving.ads import Ad, AdRequest, Preview
from adloom.loop.serving.drawing_queue import QueueFull
from adloom.loop.serving.http.access import Admitted
from adloom.loop.serving.http.bodies import Identifier, picture_url
from adloom.loop.serving.http.errors import problem, refusals
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.http.waiting import drawn_in_time
from adloom.loop.serving.studio.reasons import Reasons, reasons
from adloom.loop.serving.studio.status import LoopStatus, RecentEvents, Shopper, loop_status
from adloom.loop.serving.studio.uploads import FORMATS, BadCutout, Uploads, decode_cutout
from adloom.loop.serving.studio.variants import live_variants

if TYPE_CHECKING:
    from adloom.loop.serving.server import AdServer

_STATIC = Path(__file__).parent / "static"
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_MAX_SEED = 2**31 - 1
_PRODUCTS_A_PAGE = 60
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/webp": {}}}}
_GUARDED = (400, 401, 403, 408, 413, 429)
_CUTOUT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in FORMATS},
    }
}

Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=60)]


class ShopProduct(BaseModel):
    """Something to advertise."""

    product_id: str
    name: str
    category: str
    selling_points: tuple[str, ...]
    cutout_url: str


class Subject(BaseModel):
    """A shopper and a product, of the catalogue or uploaded."""

    model_config = ConfigDict(extra="forbid")

    user_id: Identifier
    product_id: Identifier


class Draw(Subject):
    """Ads wanted of every live variant."""

    seed: int | None = Field(default=None, ge=0, le=_MAX_SEED, description="none = random")


class Drawn(BaseModel):
    """The ad of one variant."""

    variant: str
    version: str
    title: str
    picture_url: str
    seconds: float
    seed: int
    personalised: bool


class Promotion(BaseModel):
    """The version that is to serve."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1)


class Moved(BaseModel):
    """The version that is ``@champion`` now."""

    champion: int


def _uploads(request: Request) -> Uploads:
    uploads: Uploads = request.app.state.uploads
    return uploads


def _recent(request: Request) -> RecentEvents:
    state = request.app.state
    if not hasattr(state, "recent"):
        state.recent = RecentEvents(state.server)
    recent: RecentEvents = state.recent
    return recent


router = APIRouter(prefix="/studio", tags=["studio"])


def mount_studio(app: FastAPI) -> None:
    """Adds the page, its files and its endpoints."""
    app.state.uploads = Uploads()
    app.include_router(router)
    app.mount("/studio/static", StaticFiles(directory=_STATIC), name="studio-static")

    @app.get("/", include_in_schema=False)
    def to_the_studio() -> RedirectResponse:
        return RedirectResponse("/studio")


@router.get("", include_in_schema=False)
def page() -> FileResponse:
    return FileResponse(_STATIC / "index.html", headers=_PAGE_HEADERS)


@router.get(
    "/cutouts/{product_id}.webp", responses=_PICTURE | refusals(404), response_class=Response
)
def cutout(product_id: str, request: Request) -> Response:
    """A product alone, on a transparent ground."""
    buffer = io.BytesIO()
    _product(request, product_id, "path").cutout().save(buffer, "WEBP", quality=88)
    return Response(
        buffer.getvalue(),
        media_type="image/webp",
        headers={"Cache-Control": "private, max-age=3600"},
    )


@router.get("/api/products", responses=refusals(*_GUARDED), dependencies=Admitted)
def products(
    request: Request,
    search: Annotated[str, Query(max_length=128)] = "",
    after: Annotated[str, Query(max_length=128)] = "",
) -> list[ShopProduct]:
    """What the shop sells, in the order of ids: those after one, whose texts hold the search."""
    found = running(request).catalogue.page(after=after, search=search, limit=_PRODUCTS_A_PAGE)
    return [_shown(entry.product) for entry in found]


@router.get("/api/shoppers", responses=refusals(*_GUARDED), dependencies=Admitted)
def shoppers(
    recent: Annotated[RecentEvents, Depends(_recent)],
    search: Annotated[str, Query(max_length=128)] = "",
) -> list[Shopper]:
    """Who clicked in the last 30 days, the latest first."""
    return recent.shoppers(search)


@router.post(
    "/api/uploads",
    status_code=201,
    responses=refusals(*_GUARDED, 415, 422),
    dependencies=Admitted,
    openapi_extra=_CUTOUT_BODY,
)
async def upload(
    request: Request,
    name: Annotated[Phrase, Query()],
    category: Annotated[Phrase, Query()],
    selling_points: Annotated[list[Phrase], Query(min_length=1, max_length=6)],
) -> ShopProduct:
    """Keep a cutout (the body, PNG or WebP with transparency) for a while, to draw ads for it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in FORMATS:
        told = f"{media_type or 'no content type'}: send a PNG or WebP picture"
        raise HTTPException(415, problem("cutout", told, "media_type"))
    try:
        picture = await asyncio.to_thread(decode_cutout, await request.body(), media_type)
    except BadCutout as error:
        raise HTTPException(422, problem("cutout", f"the picture {error}", "picture")) from error
    points = tuple(point.lower() for point in selling_points)
    return _shown(_uploads(request).add(name, category, points, picture))


@router.post("/api/reasons", responses=refusals(*_GUARDED, 404, 503), dependencies=Admitted)
def why(subject: Subject, request: Request) -> Reasons:
    """The shopper's clicked ads and what the champion makes of them for the product."""
    server, product = running(request), _product(request, subject.product_id)
    history, maker = server.features.history(subject.user_id), server.maker
    settings = maker.settings
    chosen = maker.past_ads.representing(
        history, product, settings.history_items, coarse=settings.coarse
    )
    with server.champion.lock:  # a swap must not drop the adapter while its modules are looked at
        serving = server.champion.serving
        return reasons(
            history,
            product,
            chosen,
            maker.past_ads,
            maker.generator,
            serving.adapter,
            serving.version,
        )


@router.post("/api/ads", responses=refusals(*_GUARDED, 404, 500, 503, 504), dependencies=Admitted)
async def draw(wanted: Draw, request: Request) -> list[Drawn]:
    """An ad of each live variant, all from one seed. No shopper is shown them: no exposures."""
    server, product = running(request), _product(request, wanted.product_id)
    seed = secrets.randbelow(_MAX_SEED) if wanted.seed is None else wanted.seed
    requests = await asyncio.to_thread(_previews, server, wanted.user_id, product, seed)
    futures: list[Future[Ad]] = []
    try:
        for one in requests:
            futures.append(server.preview(one))
    except QueueFull:
        for future in futures:
            future.cancel()
        raise
    ads = await drawn_in_time(futures, request, server.timeout_seconds)
    return [_drawn(ad) for ad in ads]


@router.get("/api/loop", responses=refusals(*_GUARDED), dependencies=Admitted)
def status(request: Request, recent: Annotated[RecentEvents, Depends(_recent)]) -> LoopStatus:
    """Stream, rounds, versions and click-through curves."""
    return loop_status(running(request), recent)


@router.post("/api/promote", responses=refusals(*_GUARDED, 404), dependencies=Admitted)
def promote(promotion: Promotion, request: Request) -> Moved:
    """Make a version ``@champion``; the servers follow within seconds."""
    try:
        version = running(request).registry.promote(promotion.version)
    except UnknownVersion as error:
        raise HTTPException(404, problem("version", str(error), "not_found")) from error
    return Moved(champion=version.number)


@router.post("/api/rollback", responses=refusals(*_GUARDED, 409), dependencies=Admitted)
def rollback(request: Request) -> Moved:
    """Make the champion before this one champion again."""
    try:
        version = running(request).registry.rollback()
    except UnknownVersion as error:
        raise HTTPException(409, str(error)) from error
    return Moved(champion=version.number)


def _previews(server: AdServer, user_id: str, product: Product, seed: int) -> list[AdRequest]:
    """A request for each live variant, after the history that the variant chooses."""
    maker, settings = server.maker, server.settings
    history = server.features.history(user_id)
    variants = live_variants(
        server.champion,
        server.registry,
        settings.generator,
        settings.experiments,
        datetime.now(UTC),
    )
    return [
        AdRequest(
            user_id,
            product,
            seed,
            preview=Preview(
                variant,
                maker.past_ads.representing(
                    history,
                    product,
                    variant.settings.history_items,
                    coarse=variant.settings.coarse,
                ),
            ),
        )
        for variant in variants
    ]


def _product(request: Request, product_id: str, place: str = "body") -> Product:
    uploaded = _uploads(request).find(product_id)
    if uploaded is not None:
        return uploaded
    try:
        return running(request).catalogue.selling(product_id)
    except UnknownProduct as error:
        told = str(error)
        if product_id.startswith("upload-"):
            told = "this upload is no longer kept: send the cutout again"
        raise HTTPException(404, problem("product_id", told, "not_found", place)) from error


def _shown(product: Product) -> ShopProduct:
    return ShopProduct(
        product_id=product.product_id,
        name=product.name,
        category=product.category,
        selling_points=product.selling_points,
        cutout_url=f"/studio/cutouts/{product.product_id}.webp",
    )


def _drawn(ad: Ad) -> Drawn:
    return Drawn(
        variant=ad.creative.variant,
        version=ad.creative.version,
        title=ad.creative.title,
        picture_url=picture_url(ad.creative),
        seconds=round(ad.seconds, 3),
        seed=ad.creative.seed,
        personalised=ad.personalised,
    )
