"""What the page chooses from: products and their pictures, and shoppers."""

from __future__ import annotations

import io
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from PIL import Image

from adloom.loop.catalogue.browsing.finding import find
from adloom.loop.catalogue.browsing.shelves import shelves
from adloom.loop.catalogue.pictures.store import UnknownPicture
from adloom.loop.catalogue.rows import Entry
from adloom.loop.serving.http.access import Admitted, Open
from adloom.loop.serving.http.errors import GUARDED, problem, refusals
from adloom.loop.serving.http.prefix import Places, places
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.studio.bodies import ProductPage, ShelfPage, ShelfShown, ShopProduct, shown
from adloom.loop.serving.studio.status import RecentEvents, Shopper
from adloom.loop.serving.studio.subjects import product_of, recent_events

_A_PAGE = 60
_MOST_SIDE = 256  # cutouts have no more
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/webp": {}}}}

router = APIRouter()


@router.get(
    "/cutouts/{product_id:path}.webp",
    responses=_PICTURE | refusals(404),
    response_class=Response,
    dependencies=Open,
)
def cutout(product_id: str, request: Request) -> Response:
    """A product alone, on nothing; as its shop shows it where it could not be cut out."""
    product = product_of(request, product_id, "path")
    try:
        picture = product.cutout() if product.cutout_name else product.whole_picture()
    except UnknownPicture:
        picture = None
    if picture is None:
        raise HTTPException(404, problem("product_id", "it has no picture", place="path"))
    picture.thumbnail((_MOST_SIDE, _MOST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=88)
    return Response(
        buffer.getvalue(),
        media_type="image/webp",
        headers={"Cache-Control": "private, max-age=3600"},
    )


@router.get("/api/products", responses=refusals(*GUARDED), dependencies=Admitted)
def products(
    request: Request,
    search: Annotated[str, Query(max_length=128)] = "",
    shelf: Annotated[str, Query(max_length=750, description="path; '' is the whole shop")] = "",
    after: Annotated[str, Query(max_length=128, description="id that was reached")] = "",
) -> ProductPage:
    """What the shop sells, whose id, name or category holds the search.

    A search through many products ends after a short while: it goes on after `reached`.
    """
    catalogue = running(request).catalogue
    found = find(catalogue, search=search.strip(), shelf=shelf, after=after, limit=_A_PAGE)
    shown = [_shown(entry, places(request)) for entry in found.entries]
    return ProductPage(products=shown, more=found.more, reached=found.reached)


@router.get("/api/shelves", responses=refusals(*GUARDED), dependencies=Admitted)
def shelves_under(
    request: Request,
    under: Annotated[str, Query(max_length=750, description="path; '' is the whole shop")] = "",
    after: Annotated[str, Query(max_length=750, description="path: those that follow it")] = "",
) -> ShelfPage:
    """The shelves that lie directly under one, with anything that is sold."""
    found = shelves(running(request).catalogue.engine, under=under, after=after, limit=_A_PAGE + 1)
    shown = [ShelfShown(path=one.path, name=one.name, opens=one.opens) for one in found[:_A_PAGE]]
    return ShelfPage(shelves=shown, more=len(found) > _A_PAGE)


@router.get("/api/shoppers", responses=refusals(*GUARDED), dependencies=Admitted)
def shoppers(
    recent: Annotated[RecentEvents, Depends(recent_events)],
    search: Annotated[str, Query(max_length=128)] = "",
) -> list[Shopper]:
    """Who clicked in the last 30 days, the latest first."""
    return recent.shoppers(search)


def _shown(entry: Entry, places: Places) -> ShopProduct:
    notes = [f"Shown whole: it cannot be cut out ({entry.no_cutout})."] if entry.no_cutout else []
    return shown(entry.product, places, notes)
