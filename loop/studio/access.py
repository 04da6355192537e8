"""Who may draw and move aliases: whoever knows an API key, where the settings have any."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Header, HTTPException, Request

from loop.settings import Settings


def from_this_page(request: Request) -> None:
    """Refuses what another site's page makes a browser send. Raises HTTPException (403)."""
    if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        raise HTTPException(403, "the studio takes requests from its own page only")


def with_key(
    request: Request, x_api_key: Annotated[str | None, Header(max_length=256)] = None
) -> None:
    """Asks for one of `serve.api_keys`, if there are any. Raises HTTPException (401)."""
    settings: Settings = request.app.state.server.settings
    keys = settings.serve.api_keys
    given = (x_api_key or "").encode()
    known = [hmac.compare_digest(given, key.get_secret_value().encode()) for key in keys]
    if keys and not any(known):
        told = "X-API-Key: not a known key" if x_api_key else "X-API-Key: a key is needed for this"
        raise HTTPException(401, told, headers={"WWW-Authenticate": "ApiKey"})
