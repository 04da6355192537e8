"""`POST /v1/users/{id}/forget`: a user goes from all that adloom keeps."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from adloom.loop.forgetting.forget import forget, what_is_kept
from adloom.loop.forgetting.kept import Kept
from adloom.loop.forgetting.report import Report
from adloom.loop.home import ROUNDS_FOLDER
from adloom.loop.privacy.reading import ReadersBusy
from adloom.loop.serving.http.access import MayForget
from adloom.loop.serving.http.errors import GUARDED, refusals
from adloom.loop.serving.http.pools import pools
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.server import AdServer

_LEFT: dict[int | str, dict[str, Any]] = {
    202: {"model": Report, "description": "something is left: see `waits`"}
}

router = APIRouter(tags=["users"])


class ForgetWanted(BaseModel):
    """How a user is forgotten."""

    model_config = ConfigDict(extra="forbid")

    opt_out: bool | None = Field(
        default=None, description="take in none of their events afterwards either"
    )
    dry_run: bool = Field(default=False, description="tell what there is, and change nothing")


@router.post(
    "/v1/users/{user_id:path}/forget",
    responses=_LEFT | refusals(*GUARDED, 404, 503),
    dependencies=MayForget,
)
async def forget_user(
    user_id: Annotated[str, Path(min_length=1, max_length=128)],
    request: Request,
    response: Response,
    wanted: ForgetWanted | None = None,
) -> Report:
    """Erase a user, and tell what went and which versions learned from their clicks.

    200: nothing is left. 202: something has to be seen to first (`waits`); ask again then. From the
    first request on none of the user's events is taken in until all is gone. One after the other is
    forgotten, whichever server is asked.
    """
    wanted = wanted or ForgetWanted()
    kept = _kept(running(request))
    if wanted.dry_run:
        return await pools(request).forgetting.run(what_is_kept, kept, [user_id])
    work = partial(forget, kept, [user_id], opt_out=wanted.opt_out)
    try:
        report = await pools(request).forgetting.run(work)
    except ReadersBusy as error:
        raise HTTPException(503, str(error), headers={"Retry-After": "30"}) from error
    response.status_code = 200 if report.complete else 202
    return report


def _kept(server: AdServer) -> Kept:
    kafka = server.settings.kafka
    return Kept(
        server.features,
        server.catalogue.engine,
        server.pictures,
        server.registry,
        server.settings.home / ROUNDS_FOLDER,
        kafka if kafka.bootstrap_servers is not None else None,
    )
