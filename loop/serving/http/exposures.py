"""`POST /v1/exposures/{id}`: an ad whose exposure was not logged was shown."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from adloom.loop.exposures.kept import NotThen, UnknownExposure
from adloom.loop.serving.exposures import kept_exposures
from adloom.loop.serving.http.access import MayWrite
from adloom.loop.serving.http.errors import GUARDED, problem, refusals
from adloom.loop.serving.http.events import counted, refuse_lost
from adloom.loop.serving.http.pools import pools
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.server import AdServer
from adloom.stream.events import Moment

router = APIRouter(tags=["ads"])


class AdShown(BaseModel):
    """When an ad was shown."""

    model_config = ConfigDict(extra="forbid")

    ts: Moment | None = Field(
        default=None,
        description="ISO 8601 with a zone, from when the ad was made until now; null: now",
    )


class ExposureCounted(BaseModel):
    """An exposure that is on the broker."""

    exposure_id: str
    ad_id: str
    ts: datetime = Field(description="when the ad was shown, by the first report")


@router.post(
    "/v1/exposures/{exposure_id}",
    status_code=202,
    responses=refusals(*GUARDED, 404, 503),
    dependencies=MayWrite,
)
async def report_exposure(
    exposure_id: UUID, request: Request, shown: AdShown | None = None
) -> ExposureCounted:
    """An ad that was asked for with `log_exposure: false` was shown: now it counts, once.

    Any server takes the report, and whoever is not sure reports again: the first one says when.
    """
    server = running(request)
    refuse_lost(server, 1)
    at = None if shown is None else shown.ts
    try:
        return await pools(request).events.run(_report, server, str(exposure_id), at)
    except UnknownExposure as error:
        raise HTTPException(404, problem("exposure_id", str(error), place="path")) from error
    except NotThen as error:
        raise HTTPException(422, problem("ts", str(error), "out_of_range")) from error


def _report(server: AdServer, exposure_id: str, at: datetime | None) -> ExposureCounted:
    kept = kept_exposures(server)
    reported = kept.report(exposure_id, at, server.forgotten)
    if reported.event is not None:
        with counted([reported.event]):
            server.producer.deliver([reported.event])
        kept.sent(exposure_id)
    return ExposureCounted(exposure_id=exposure_id, ad_id=reported.ad_id, ts=reported.at)
