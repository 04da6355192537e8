"""A product of one's own, to draw ads for it before it is sold."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request

from adloom.loop.catalogue.feeds.parsing import parse_product
from adloom.loop.catalogue.feeds.refusals import RowRefused
from adloom.loop.catalogue.pictures.decode import BadPicture
from adloom.loop.catalogue.pictures.intake import take_in
from adloom.loop.catalogue.product import Product
from adloom.loop.serving.http.access import Admitted
from adloom.loop.serving.http.errors import problem, refusals
from adloom.loop.serving.http.prefix import places
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.server import AdServer
from adloom.loop.serving.studio.bodies import Name, Point, Shelf, ShopProduct, shown
from adloom.loop.serving.studio.subjects import uploads_of
from adloom.loop.serving.studio.uploads import Uploads, new_id

_KINDS = ("image/jpeg", "image/png", "image/webp", "image/tiff", "application/octet-stream")
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _KINDS},
    }
}
_FIELDS = {"title": "name", "product_type": "category", "product_highlight": "selling_points"}

router = APIRouter()


@router.post(
    "/api/uploads",
    status_code=201,
    responses=refusals(400, 401, 403, 408, 413, 422, 429),
    dependencies=Admitted,
    openapi_extra=_BODY,
)
async def upload(
    request: Request,
    name: Annotated[Name, Query()],
    category: Annotated[Shelf, Query()] = "",
    selling_points: Annotated[Sequence[Point], Query(max_length=10)] = (),
) -> ShopProduct:
    """Keep a product for a while, to draw ads for it. The body is its picture.

    JPEG, PNG, WebP or TIFF, whatever its media type says. One that cannot be cut out is shown
    whole; the notes say why.
    """
    content = await request.body()
    product, notes = await asyncio.to_thread(
        _kept, running(request), uploads_of(request), content, name, category, selling_points
    )
    return shown(product, places(request), notes)


def _kept(
    server: AdServer,
    uploads: Uploads,
    content: bytes,
    name: str,
    category: str,
    points: Sequence[str],
) -> tuple[Product, list[str]]:
    """The product as a feed would tell it, with its picture, and what to know of it.

    Raises HTTPException: 422.
    """
    notes: list[str] = []
    told = {
        "id": new_id(),
        "title": name,
        "product_type": category,
        "product_highlight": list(points),
    }
    try:
        product = parse_product(told, server.settings.catalog.language, warn=notes.append)
    except RowRefused as error:
        attribute, _, why = str(error).partition(": ")
        field = _FIELDS.get(attribute, attribute)
        raise HTTPException(422, problem(field, why, "refused", "query")) from error
    try:
        taken = take_in(content, server.settings.catalog)
    except BadPicture as error:
        raise HTTPException(422, problem("picture", str(error), "picture")) from error
    if taken.cutout is None:
        notes.append(f"Shown whole: it cannot be cut out ({taken.reason}).")
    notes += server.title_advice(product)
    return uploads.add(product, taken), notes
