"""An answer before a deadline."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from fastapi import HTTPException, Request

from adloom.loop.serving import metrics
from adloom.loop.serving.ad_metrics import count_source
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.http.pools import pools
from adloom.loop.serving.http.waiting import drawn_in_time
from adloom.loop.serving.in_time.choosing import NothingToShow
from adloom.loop.serving.in_time.chosen import Chosen
from adloom.loop.serving.in_time.in_time import drawn
from adloom.loop.serving.requests import AdRequest

if TYPE_CHECKING:
    from adloom.loop.serving.server import AdServer

_TO_ANSWER = 0.02  # seconds that choosing and sending take


async def answered_in_time(
    server: AdServer, asked: AdRequest, deadline: float, request: Request
) -> Ad | Chosen:
    """A finished ad that suits the shopper, or one drawn before the deadline, or the next best.

    Args:
        deadline: by the monotonic clock.

    Raises HTTPException: 503 where nothing is finished, the product has no picture, and nothing
    can be drawn; what tells that a part is away.
    """
    threads, in_time = pools(request).ads, server.in_time
    found = await threads.run(lambda: in_time.find(*server.placed(asked)))
    if found.fits and found.best is not None:
        return await _settled(server, found.best, request)
    drawing = await threads.run(in_time.behind.draw, found)
    left = deadline - time.monotonic() - _TO_ANSWER
    if drawing is not None and in_time.behind.seconds <= left:
        waited = asyncio.wrap_future(drawing)
        waited.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({waited}, timeout=left)
    if drawing is not None and (ad := drawn(drawing)) is not None:
        if asked.ad_id is None:
            return in_time.settled_ad(ad, found)
        return await threads.run(in_time.settled_ad, ad, found)
    try:
        chosen = await threads.run(in_time.instead, found)
    except NothingToShow as error:
        if drawing is None:
            raise HTTPException(503, str(error), headers={"Retry-After": "5"}) from error
        [ad] = await drawn_in_time([drawing], request, server.timeout_seconds)
        return in_time.settled_ad(ad, found)
    return await _settled(server, chosen, request)


async def _settled(server: AdServer, chosen: Chosen, request: Request) -> Chosen:
    if chosen.request.ad_id is not None:
        chosen = await pools(request).ads.run(server.in_time.settled, chosen)
    version = chosen.creative.version
    count_source(chosen.source, chosen.variant, version, chosen.degraded, chosen.personalised)
    metrics.ANSWER_SECONDS.labels(chosen.source).observe(time.monotonic() - chosen.since)
    return chosen
