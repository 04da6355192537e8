"""Waiting for ads, not for ever, and not for nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

from fastapi import HTTPException, Request

from adloom.loop.serving.finished import Ad
from adloom.loop.serving.http.errors import NOBODY_WAITS, PARTS_AWAY
from adloom.loop.serving.kept_ads import NotShown

_log = logging.getLogger("adloom.serve")


class NobodyWaits(HTTPException):
    """Who asked has hung up."""

    def __init__(self) -> None:
        super().__init__(499, NOBODY_WAITS)


async def drawn_in_time(
    futures: Sequence[Future[Ad]], request: Request, seconds: float
) -> list[Ad]:
    """The ads; what is left of them is not drawn on when this raises.

    Raises HTTPException: 504 after ``seconds``, 500 for an ad that could not be drawn, 503 when the
    server ends; NobodyWaits; NotShown; what tells that a part is away.
    """
    ads = asyncio.gather(*map(asyncio.wrap_future, futures))
    hung_up = asyncio.ensure_future(_hung_up(request))
    either: set[asyncio.Future[Any]] = {ads, hung_up}
    try:
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if ads.done():
            return ads.result()
        if hung_up.done():
            raise NobodyWaits
        raise HTTPException(504, f"not drawn within {seconds:g} seconds (serve.timeout_seconds)")
    except (CancelledError, asyncio.CancelledError) as error:
        raise HTTPException(503, "the server ends", headers={"Retry-After": "5"}) from error
    except (HTTPException, NotShown, *PARTS_AWAY):
        raise
    except Exception as error:
        _log.exception("an ad could not be drawn")
        raise HTTPException(500, "the ad could not be drawn; the log says why") from error
    finally:
        hung_up.cancel()
        for future in futures:
            future.cancel()
        ads.cancel()
        with contextlib.suppress(BaseException):
            await ads


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
