"""Pictures by the hash of their bytes: the same for ever, at every server of a shop."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from adloom.loop.catalogue.hashes import is_hash
from adloom.loop.catalogue.pictures.store import Kind, PictureStore, UnknownPicture
from adloom.loop.serving.http.access import Open
from adloom.loop.serving.http.errors import problem, refusals
from adloom.loop.serving.http.pools import pools
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.http.unchanged import has_already, names

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOT_KEPT = {"Cache-Control": "no-store"}
_FOR_AN_HOUR = {"Cache-Control": "public, max-age=3600"}
_REDIRECT: dict[int | str, dict[str, Any]] = {
    307: {"description": "it lies there; or, of an earlier release, under the other ending"}
}

router = APIRouter(tags=["ads"])


@router.get(
    "/v1/pictures/{digest}.webp",
    responses={200: {"content": {"image/webp": {}}}} | _REDIRECT | refusals(404, 503),
    response_class=Response,
    dependencies=Open,
)
async def picture(digest: str, request: Request) -> Response:
    """A picture of an ad or of a product by the SHA-256 of its bytes: the same for ever."""
    return await _answered(digest, "webp", request)


@router.get(
    "/v1/pictures/{digest}.png",
    responses={200: {"content": {"image/png": {}}}} | _REDIRECT | refusals(404, 503),
    response_class=Response,
    dependencies=Open,
)
async def older_picture(digest: str, request: Request) -> Response:
    """The picture of an ad that an earlier release drew."""
    return await _answered(digest, "png", request)


async def _answered(digest: str, kind: Kind, request: Request) -> Response:
    tag = f'"{digest}"'
    headers = _FOR_EVER | {"ETag": tag}
    if is_hash(digest) and names(request, tag):
        return Response(status_code=304, headers=headers)
    store = running(request).creatives.pictures
    found = await pools(request).pictures.run(_found, store, digest, kind)
    if found is None:
        # None is kept, or it is damaged: then it is drawn anew, so that nobody may remember this.
        told = problem("digest", "no such picture", place="path")
        raise HTTPException(404, told, headers=_NOT_KEPT)
    if isinstance(found, str):
        return RedirectResponse(found, headers=_FOR_AN_HOUR)
    if has_already(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(found, media_type=f"image/{kind}", headers=headers)


def _found(store: PictureStore, digest: str, kind: Kind) -> bytes | str | None:
    """The bytes, or where to go for them; None: there are none."""
    if store.files.public_url is not None:
        kept = store.kind(digest)
        if kept is not None and (elsewhere := store.public_url(digest, kept)) is not None:
            return elsewhere
    try:
        file = store.file(digest)
    except UnknownPicture:
        return None
    return file.content if file.kind == kind else f"{digest}.{file.kind}"
