"""What the studio's requests speak of: products, of the catalogue or uploaded, and clicks."""

from __future__ import annotations

from contextlib import suppress

from fastapi import HTTPException, Request

from adloom.loop.catalogue.pictures.store import UnknownPicture
from adloom.loop.catalogue.product import Product, UnknownProduct, with_picture
from adloom.loop.serving.http.errors import problem
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.studio.status import RecentEvents
from adloom.loop.serving.studio.uploads import PREFIX, Uploads


def uploads_of(request: Request) -> Uploads:
    """What people uploaded."""
    uploads: Uploads = request.app.state.uploads
    return uploads


def recent_events(request: Request) -> RecentEvents:
    """The log's last days, read once for all who look."""
    state = request.app.state
    if not hasattr(state, "recent"):
        state.recent = RecentEvents(state.server.features.log)
    recent: RecentEvents = state.recent
    return recent


def product_of(request: Request, product_id: str, place: str = "body") -> Product:
    """A product by its id. Raises HTTPException: 404, for one in such a place of the request."""
    uploaded = uploads_of(request).find(product_id)
    if uploaded is not None:
        return uploaded
    try:
        product = running(request).catalogue.selling(product_id)
        with suppress(UnknownPicture):
            return with_picture(product)
        return product
    except UnknownProduct as error:
        told = str(error)
        if product_id.startswith(PREFIX):
            told = "this upload is no longer kept: send the picture again"
        raise HTTPException(404, problem("product_id", told, "not_found", place)) from error
