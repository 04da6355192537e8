"""Cards of ads: pictures in the formats of feeds and stories, drawn when they are asked for."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from adloom.loop.catalogue.cards.formats import FORMATS, FormatName
from adloom.loop.catalogue.cards.of_ads import (
    CARD_KINDS,
    Advertised,
    CardKind,
    CardWanted,
    advertised,
    card_file,
)
from adloom.loop.catalogue.creatives.store import UnknownAd
from adloom.loop.catalogue.product import UnknownProduct
from adloom.loop.serving.http.access import Counted
from adloom.loop.serving.http.errors import problem, refusals
from adloom.loop.serving.http.pools import pools
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.http.unchanged import has_already
from adloom.loop.serving.server import AdServer

_log = logging.getLogger("adloom.serve")

_WIDEST = max(one.width for one in FORMATS.values())
_WITH_PRICE = {"Cache-Control": "public, max-age=300"}
_WITHOUT_PRICE = {"Cache-Control": "public, max-age=86400"}
_NOT_KEPT = {"Cache-Control": "no-store"}
_IN_MEMORY = 16 << 20  # bytes of files

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {f"image/{kind}": {} for kind in CARD_KINDS}},
    304: {"description": "it is the one that `If-None-Match` names"},
}

router = APIRouter(tags=["ads"])


class LastCards:
    """The cards that were asked for last, by their tags. For several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0

    def drawn(self, server: AdServer, shown: Advertised, wanted: CardWanted) -> bytes:
        """A card as a file. Raises LostPicture, PicturesAway."""
        tag = shown.tag(wanted)
        with self._lock:
            if tag in self._files:
                self._files.move_to_end(tag)
                return self._files[tag]
        file = card_file(server.creatives, shown, wanted)
        if file.missing:
            _log.warning("card of ad %s: no font has %r", shown.ad.ad_id, file.missing)
        with self._lock:
            if tag not in self._files:
                self._files[tag] = file.content
                self._held += len(file.content)
            while self._held > _IN_MEMORY:
                _, oldest = self._files.popitem(last=False)
                self._held -= len(oldest)
        return file.content


@router.get(
    "/v1/ads/{ad_id:path}/card.{kind}",
    responses=_ANSWERS | refusals(404, 422, 429, 503),
    response_class=Response,
    dependencies=Counted,
)
async def card(
    ad_id: Annotated[str, Path(max_length=128)],
    kind: CardKind,
    request: Request,
    format: Annotated[
        FormatName, Query(description="1080 x 1080, 1080 x 1350, 1200 x 628, 1080 x 1920")
    ] = "square",
    banner: Annotated[bool, Query(description="title, price and call to action")] = True,
    width: Annotated[
        int | None, Query(ge=100, le=_WIDEST, description="pixels, up to those of the format")
    ] = None,
) -> Response:
    """An ad as a picture to be shown: the product is never cut, and no word lies over it.

    A card with a banner says what the product costs now.
    """
    most = FORMATS[format].width
    if width is not None and width > most:
        told = f"a {format} is {most} pixels wide at most"
        raise HTTPException(422, problem("width", told, "less_than_equal", "query"))
    server, threads = running(request), pools(request).cards
    wanted = CardWanted(format, kind, banner, width)
    try:
        shown = await threads.run(_shown, server, ad_id)
        tag = f'"{shown.tag(wanted)}"'
        headers = (_WITH_PRICE if banner else _WITHOUT_PRICE) | {"ETag": tag}
        if has_already(request, tag):
            return Response(status_code=304, headers=headers)
        last: LastCards = request.app.state.cards
        content = await threads.run(last.drawn, server, shown, wanted)
    except (UnknownAd, UnknownProduct) as error:
        told = "there is no such ad, or it may not be shown"
        raise HTTPException(404, problem("ad_id", told, place="path"), headers=_NOT_KEPT) from error
    return Response(content, media_type=f"image/{kind}", headers=headers)


def _shown(server: AdServer, ad_id: str) -> Advertised:
    """Raises UnknownAd also for what is not approved, UnknownProduct."""
    if "\0" in ad_id:  # Postgres knows no such text
        raise UnknownAd(ad_id)
    own = server.settings.cards.call_to_action
    shown = advertised(server.creatives, server.catalogue, ad_id, own)
    if shown.ad.state != "approved":
        raise UnknownAd(ad_id)
    return shown
