"""The studio: its page, the page's files, and the JSON that it is made of."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from adloom.loop.serving.http.access import Open
from adloom.loop.serving.http.prefix import places
from adloom.loop.serving.studio import choosing, drawing, experiments, steering, uploading
from adloom.loop.serving.studio.uploads import Uploads
from adloom.loop.settings.web_addresses import origin_of

_STATIC = Path(__file__).parent / "static"
_PAGE_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(prefix="/studio", tags=["studio"])
for part in (choosing, uploading, drawing, steering, experiments):
    router.include_router(part.router)


def mount_studio(app: FastAPI, pictures_url: str | None = None) -> None:
    """Adds the page, its files and its endpoints.

    Args:
        pictures_url: where the server sends browsers for pictures, if anywhere.
    """
    elsewhere = origin_of(pictures_url) if pictures_url is not None else None
    images = " ".join(filter(None, ["'self'", "blob:", elsewhere]))
    app.state.studio_policy = _POLICY.format(images=images)
    app.state.uploads = Uploads()
    app.include_router(router)
    app.mount("/studio/static", StaticFiles(directory=_STATIC), name="studio-static")

    @app.get("/", include_in_schema=False, dependencies=Open)
    def to_the_studio(request: Request) -> RedirectResponse:
        return RedirectResponse(places(request).own("/studio"))


@router.get("", include_in_schema=False, dependencies=Open)
def page(request: Request) -> FileResponse:
    policy = {"Content-Security-Policy": request.app.state.studio_policy}
    return FileResponse(_STATIC / "index.html", headers=_PAGE_HEADERS | policy)
