"""How the loop does, and the champion moved by hand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request

from adloom.loop.learning.kept_adapters import UnfitVersion
from adloom.loop.learning.registry import UnknownVersion
from adloom.loop.serving.http.access import MayAdminister, Roles, may_look
from adloom.loop.serving.http.errors import GUARDED, problem, refusals
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.studio.bodies import Moved, Promotion
from adloom.loop.serving.studio.status import LoopStatus, RecentEvents, loop_status
from adloom.loop.serving.studio.subjects import recent_events
from adloom.loop.serving.studio.version_cards import refused_by_gate

router = APIRouter()


@router.get("/api/loop", responses=refusals(*GUARDED))
def status(
    request: Request,
    roles: Annotated[Roles, Depends(may_look)],
    recent: Annotated[RecentEvents, Depends(recent_events)],
) -> LoopStatus:
    """Stream, rounds, versions and click-through curves; and what who asks may do."""
    return loop_status(running(request), recent, roles)


@router.post("/api/promote", responses=refusals(*GUARDED, 404, 409), dependencies=MayAdminister)
def promote(promotion: Promotion, request: Request) -> Moved:
    """Make a version ``@champion``; the servers follow within seconds.

    One that the gate did not let pass is promoted only with `anyway`.
    """
    registry = running(request).registry
    try:
        refused = refused_by_gate(registry.version(promotion.version))
        if refused is not None and not promotion.anyway:
            told = f"version {promotion.version} did not pass its gate: {refused}"
            raise HTTPException(409, f"{told}; promote it all the same with anyway = true")
        version = registry.promote(promotion.version)
    except UnknownVersion as error:
        raise HTTPException(404, problem("version", str(error), "not_found")) from error
    except UnfitVersion as error:
        raise HTTPException(409, str(error)) from error
    return Moved(champion=version.number)


@router.post("/api/rollback", responses=refusals(*GUARDED, 409), dependencies=MayAdminister)
def rollback(request: Request) -> Moved:
    """Make the champion before this one champion again."""
    try:
        version = running(request).registry.rollback()
    except (UnknownVersion, UnfitVersion) as error:
        raise HTTPException(409, str(error)) from error
    return Moved(champion=version.number)
