"""`GET /v1/events.js`: what a shop's pages include, to send what visitors see and click."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter, Request, Response

from adloom.loop.serving.http.access import Open
from adloom.loop.serving.http.unchanged import has_already

_SCRIPT = (Path(__file__).parent / "events.js").read_bytes()
_HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "ETag": f'"{hashlib.sha256(_SCRIPT).hexdigest()[:32]}"',
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

router = APIRouter(tags=["ads"])


@router.get(
    "/v1/events.js",
    responses={200: {"content": {"text/javascript": {}}}},
    response_class=Response,
    dependencies=Open,
)
def events_script(request: Request) -> Response:
    """A script for pages: `<script async src="…/v1/events.js" data-key="…" data-user="…">`.

    It tells of elements with `data-adloom-product` and `data-adloom-ad`. `data-key` is a
    publishable key, `data-user` the shopper's id.
    """
    if has_already(request, _HEADERS["ETag"]):
        return Response(status_code=304, headers=_HEADERS)
    return Response(_SCRIPT, media_type="text/javascript", headers=_HEADERS)
