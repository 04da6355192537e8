"""An answer before a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import HTTPException, Request

from adloom.loop.catalogue.product import UnknownProduct
from adloom.loop.catalogue.store import RetiredProduct
from adloom.loop.experiments.assignment import Assignment
from adloom.loop.serving import metrics
from adloom.loop.serving.ad_metrics import count_source
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.http.pools import pools
from adloom.loop.serving.http.waiting import drawn_in_time
from adloom.loop.serving.in_time.chosen import Chosen, Found
from adloom.loop.serving.in_time.in_time import drawn
from adloom.loop.serving.requests import AdRequest, Serving

if TYPE_CHECKING:
    from adloom.loop.serving.server import AdServer

_TO_ANSWER = 0.02  # seconds that sending takes, and others that are answered at the same moment


@dataclass(frozen=True)
class Wanted:
    """A request as it came: see :class:`adloom.loop.serving.requests.AdRequest`."""

    user_id: str
    product_id: str
    seed: int
    assignment: Assignment | None
    ad_id: str | None
    personalised: bool


def finder(server: AdServer) -> Callable[[Sequence[Wanted]], Sequence[Found | Exception]]:
    """What finds for several requests what there is, or what is wrong with each."""

    def find(wanted: Sequence[Wanted]) -> Sequence[Found | Exception]:
        server.catalogue.follow()  # what was retired anywhere is not sold from now on
        products = server.catalogue.find(one.product_id for one in wanted)
        found: list[Found | Exception] = [UnknownProduct(one.product_id) for one in wanted]
        placed: dict[int, tuple[AdRequest, Serving]] = {}
        for n, one in enumerate(wanted):
            product = products.get(one.product_id)
            if product is None:
                continue
            if product.retired:
                found[n] = RetiredProduct(one.product_id)
                continue
            request = AdRequest(
                one.user_id,
                product,
                one.seed,
                one.assignment,
                ad_id=one.ad_id,
                personalised=one.personalised,
            )
            try:
                placed[n] = server.placed(request)
            except Exception as error:  # its own: the others are answered
                found[n] = error
        for n, there in zip(placed, server.in_time.find(list(placed.values())), strict=True):
            found[n] = there
        return found

    return find


async def answered_in_time(
    server: AdServer, wanted: Wanted, deadline: float, request: Request
) -> Ad | Chosen:
    """A finished ad that suits the shopper, or one drawn before the deadline, or the next best.

    Args:
        deadline: by the monotonic clock.

    Raises UnknownProduct, NoRoom; HTTPException: 503 where nothing is finished, the product has no
    picture, and nothing can be drawn; what tells that a part is away.
    """
    behind = server.in_time.behind
    found: Found = await request.app.state.finding.ask(wanted)
    if found.best is not None and (found.fits or found.enough_wait):
        return await _settled(server, found.best, request)
    drawing = behind.draw(found)
    left = deadline - time.monotonic() - _TO_ANSWER
    if behind.seconds <= left and not server.settings.review.required:  # nobody can approve so fast
        waited = asyncio.wrap_future(drawing)
        waited.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({waited}, timeout=left)
    if (ad := drawn(drawing)) is None and found.best is not None:
        return await _settled(server, found.best, request)
    if ad is None and drawing.cancelled():
        told = "no ad of the product is finished, and too many wait to be drawn"
        raise HTTPException(503, told, headers={"Retry-After": "5"})
    if ad is None:
        [ad] = await drawn_in_time([drawing], request, server.timeout_seconds)
    if wanted.ad_id is None:
        return server.in_time.settled_ad(ad, found)
    return await pools(request).ads.run(server.in_time.settled_ad, ad, found)


async def finished(server: AdServer, wanted: Wanted, request: Request) -> Chosen | None:
    """A finished ad in place of one that may not be shown; None where there is none.

    Raises UnknownProduct, NoRoom, what tells that a part is away.
    """
    found: Found = await request.app.state.finding.ask(wanted)
    return None if found.best is None else await _settled(server, found.best, request)


async def _settled(server: AdServer, chosen: Chosen, request: Request) -> Chosen:
    if chosen.request.ad_id is not None:
        chosen = await pools(request).ads.run(server.in_time.settled, chosen)
    version = chosen.creative.version
    count_source(chosen.source, chosen.variant, version, chosen.degraded, chosen.personalised)
    metrics.ANSWER_SECONDS.labels(chosen.source).observe(time.monotonic() - chosen.since)
    return chosen
