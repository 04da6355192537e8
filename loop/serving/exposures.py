"""The event that an ad was shown, and those that wait for a report."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adloom.loop.exposures.kept import KeptExposures
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.in_time.chosen import Chosen
from adloom.loop.serving.random_ids import IDS
from adloom.stream.events import Exposure

if TYPE_CHECKING:
    from adloom.loop.serving.server import AdServer


def kept_exposures(server: AdServer) -> KeptExposures:
    """Where a server keeps those of ads that count as shown once the shop says so."""
    return KeptExposures(server.catalogue.engine, server.settings.serve.report_days)


def exposure_id(name: str) -> str:
    """Of what had a name before it was drawn: a request that comes again, since its answer was
    lost, shows its ad once."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def exposure(ad: Ad | Chosen) -> Exposure:
    """The event that tells that an ad was shown now, by which variant and how likely that was.

    Its context has what an experiment is judged by: see `adloom.loop.experiments.outcomes`.
    """
    assignment, name = ad.request.assignment, ad.request.ad_id
    return Exposure(
        event_id=str(IDS.new()) if name is None else exposure_id(name),
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
