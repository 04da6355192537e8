"""Ads of every live variant, and the reasons why they look as they do."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime

from fastapi import APIRouter, Request

from adloom.loop.catalogue.product import Product
from adloom.loop.serving.drawing_queue import QueueFull
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.http.access import Admitted
from adloom.loop.serving.http.errors import GUARDED, refusals
from adloom.loop.serving.http.prefix import places
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.http.waiting import drawn_in_time
from adloom.loop.serving.requests import AdRequest, Preview
from adloom.loop.serving.server import AdServer
from adloom.loop.serving.studio.bodies import MAX_SEED, Draw, Drawn, Subject, drawn
from adloom.loop.serving.studio.reasons import Reasons, reasons
from adloom.loop.serving.studio.subjects import product_of
from adloom.loop.serving.studio.variants import LiveVariant, grouped, live_variants

router = APIRouter()


@router.post("/api/reasons", responses=refusals(*GUARDED, 404, 503), dependencies=Admitted)
def why(subject: Subject, request: Request) -> Reasons:
    """The shopper's clicked ads and what the champion makes of them for the product."""
    server, product = running(request), product_of(request, subject.product_id)
    history, maker = server.features.history(subject.user_id), server.maker
    settings = maker.settings
    chosen = maker.past_ads.representing(
        history,
        product,
        settings.history_items,
        coarse=settings.coarse,
        seen_weight=settings.seen_weight,
    )
    with server.champion.lock:  # a swap must not drop the adapter while its modules are looked at
        serving = server.champion.serving
        return reasons(
            history,
            product,
            chosen,
            maker.past_ads,
            maker.generator,
            serving.adapter,
            serving.version,
            places(request),
        )


@router.post("/api/ads", responses=refusals(*GUARDED, 404, 500, 503, 504), dependencies=Admitted)
async def draw(wanted: Draw, request: Request) -> list[Drawn]:
    """An ad of each live variant, all from one seed. No shopper is shown them: no exposures.

    Variants that are the same version with the same settings are drawn once.
    """
    server = running(request)
    product = await asyncio.to_thread(product_of, request, wanted.product_id)
    seed = secrets.randbelow(MAX_SEED) if wanted.seed is None else wanted.seed
    variants = await asyncio.to_thread(_live, server)
    requests = await asyncio.to_thread(_previews, server, variants, wanted.user_id, product, seed)
    futures: list[Future[Ad]] = []
    try:
        for one in requests:
            futures.append(server.preview(one))
    except QueueFull:
        for future in futures:
            future.cancel()
        raise
    ads = await drawn_in_time(futures, request, server.timeout_seconds)
    at = places(request)
    return [drawn(ad, one.names, at) for ad, one in zip(ads, variants, strict=True)]


def _live(server: AdServer) -> list[LiveVariant]:
    settings = server.settings
    live = live_variants(
        server.champion,
        server.registry,
        settings.generator,
        settings.experiments,
        datetime.now(UTC),
    )
    return grouped(live, server.champion, server.maker.generator)


def _previews(
    server: AdServer, variants: Sequence[LiveVariant], user_id: str, product: Product, seed: int
) -> list[AdRequest]:
    """A request for each variant, after the history that the variant chooses."""
    maker = server.maker
    history = server.features.history(user_id)
    return [
        AdRequest(
            user_id,
            product,
            seed,
            preview=Preview(
                one.variant,
                maker.past_ads.representing(
                    history,
                    product,
                    one.variant.settings.history_items,
                    coarse=one.variant.settings.coarse,
                    seen_weight=one.variant.settings.seen_weight,
                ),
            ),
        )
        for one in variants
    ]
