"""The studio: its page, the page's files, and the JSON that it is made of."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from adloom.loop.serving.studio import choosing, drawing, experiments, steering, uploading
from adloom.loop.serving.studio.uploads import Uploads

_STATIC = Path(__file__).parent / "static"
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

router = APIRouter(prefix="/studio", tags=["studio"])
for part in (choosing, uploading, drawing, steering, experiments):
    router.include_router(part.router)


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
