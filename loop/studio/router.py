"""The studio's page and the JSON it is made of."""

from __future__ import annotations

import asyncio
import io
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from loop.ads import Ad, AdRequest, Preview
from loop.api_models import Identifier, picture_url
from loop.drawing_queue import QueueFull
from loop.registry import UnknownVersion
from loop.shop.catalog import Product, UnknownProduct, load_catalog
from loop.studio.access import from_this_page, with_key
from loop.studio.reasons import Reasons, chosen_ads, reasons
from loop.studio.status import LoopStatus, RecentEvents, Shopper, loop_status
from loop.studio.uploads import FORMATS, BadCutout, Uploads, decode_cutout
from loop.studio.variants import live_variants

if TYPE_CHECKING:
    from loop.serve import AdServer

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


def _running(request: Request) -> AdServer:
    server: AdServer = request.app.state.server
    return server


def _uploads(request: Request) -> Uploads:
    uploads: Uploads = request.app.state.uploads
    return uploads


def _recent(request: Request) -> RecentEvents:
    state = request.app.state
    if not hasattr(state, "recent"):
        state.recent = RecentEvents(state.server)
    recent: RecentEvents = state.recent
    return recent


Keyed = [Depends(from_this_page), Depends(with_key)]
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


@router.get("/cutouts/{product_id}.webp", responses={404: {}}, response_class=Response)
def cutout(product_id: str, request: Request) -> Response:
    """A product alone, on a transparent ground."""
    buffer = io.BytesIO()
    _product(request, product_id, "path").cutout().save(buffer, "WEBP", quality=88)
    return Response(
        buffer.getvalue(),
        media_type="image/webp",
        headers={"Cache-Control": "private, max-age=3600"},
    )


@router.get("/api/products")
def products() -> list[ShopProduct]:
    """What the shop sells, in the catalogue's order."""
    return [_shown(product) for product in load_catalog().values()]


@router.get("/api/shoppers")
def shoppers(
    recent: Annotated[RecentEvents, Depends(_recent)],
    search: Annotated[str, Query(max_length=128)] = "",
) -> list[Shopper]:
    """Who clicked in the last 30 days, the latest first."""
    return recent.shoppers(search)


@router.post("/api/uploads", status_code=201, responses={413: {}, 415: {}}, dependencies=Keyed)
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
        raise HTTPException(415, _problem("cutout", told, "media_type"))
    try:
        picture = await asyncio.to_thread(decode_cutout, await request.body(), media_type)
    except BadCutout as error:
        raise HTTPException(422, _problem("cutout", f"the picture {error}", "picture")) from error
    points = tuple(point.lower() for point in selling_points)
    return _shown(_uploads(request).add(name, category, points, picture))


@router.post("/api/reasons", responses={404: {}}, dependencies=Keyed)
def why(subject: Subject, request: Request) -> Reasons:
    """The shopper's clicked ads and what the champion makes of them for the product."""
    server, product = _running(request), _product(request, subject.product_id)
    history, maker = server.features.history(subject.user_id), server.maker
    chosen = chosen_ads(history, product, maker.index, maker.creatives, maker.settings)
    with server.champion.lock:  # a swap must not drop the adapter while its modules are looked at
        serving = server.champion.serving
        return reasons(
            history,
            product,
            chosen,
            maker.creatives,
            maker.generator,
            serving.adapter,
            serving.version,
        )


@router.post("/api/ads", responses={404: {}, 429: {}}, dependencies=Keyed)
async def draw(wanted: Draw, request: Request) -> list[Drawn]:
    """An ad of each live variant, all from one seed. No shopper is shown them: no exposures."""
    server, product = _running(request), _product(request, wanted.product_id)
    seed = secrets.randbelow(_MAX_SEED) if wanted.seed is None else wanted.seed
    requests = await asyncio.to_thread(_previews, server, wanted.user_id, product, seed)
    try:
        futures = [server.preview(one) for one in requests]
    except QueueFull as error:
        raise HTTPException(429, str(error), headers={"Retry-After": "1"}) from error
    return [_drawn(ad) for ad in await asyncio.gather(*map(asyncio.wrap_future, futures))]


@router.get("/api/loop")
def status(request: Request, recent: Annotated[RecentEvents, Depends(_recent)]) -> LoopStatus:
    """Stream, rounds, versions and click-through curves."""
    return loop_status(_running(request), recent)


@router.post("/api/promote", responses={401: {}, 404: {}}, dependencies=Keyed)
def promote(promotion: Promotion, request: Request) -> Moved:
    """Make a version ``@champion``; the servers follow within seconds."""
    try:
        version = _running(request).registry.promote(promotion.version)
    except UnknownVersion as error:
        raise HTTPException(404, _problem("version", str(error), "not_found")) from error
    return Moved(champion=version.number)


@router.post("/api/rollback", responses={401: {}, 409: {}}, dependencies=Keyed)
def rollback(request: Request) -> Moved:
    """Make the champion before this one champion again."""
    try:
        version = _running(request).registry.rollback()
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
                chosen_ads(history, product, maker.index, maker.creatives, variant.settings),
            ),
        )
        for variant in variants
    ]


def _product(request: Request, product_id: str, place: str = "body") -> Product:
    uploaded = _uploads(request).find(product_id)
    if uploaded is not None:
        return uploaded
    try:
        return load_catalog()[product_id]
    except UnknownProduct as error:
        told = str(error)
        if product_id.startswith("upload-"):
            told = "this upload is no longer kept: send the cutout again"
        raise HTTPException(404, _problem("product_id", told, "not_found", place)) from error


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


def _problem(field: str, told: str, kind: str, place: str = "body") -> list[dict[str, object]]:
    """The form FastAPI gives its own validation errors."""
    return [{"loc": [place, field], "msg": told, "type": kind}]
