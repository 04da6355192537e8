"""The event that an ad was shown."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from adloom.loop.serving.finished import Ad
from adloom.loop.serving.in_time.chosen import Chosen
from adloom.stream.events import Exposure


def exposure(ad: Ad | Chosen) -> Exposure:
    """The event that tells that an ad was shown now, by which variant and how likely that was.

    Its context has what an experiment is judged by: see `adloom.loop.experiments.outcomes`.
    """
    assignment, name = ad.request.assignment, ad.request.ad_id
    # A request that comes again, since its answer was lost, shows its ad once.
    event_id = uuid.uuid4() if name is None else uuid.uuid5(uuid.NAMESPACE_OID, name)
    return Exposure(
        event_id=str(event_id),
        ts=datetime.now(UTC),
        user_id=ad.request.user_id,
        item_id=ad.creative.product_id,
        ad_id=ad.creative.ad_id,
        variant=ad.variant,
        propensity=1.0 if assignment is None else assignment.propensity,
        position=0,
        context={
            "version": ad.creative.version,
            "seconds": round(ad.seconds, 4),
            **ad.context(),
            **({"degraded": True} if ad.degraded else {}),
            **({} if ad.request.personalised else {"personalised": False}),
            **({} if assignment is None else assignment.context()),
        },
    )
