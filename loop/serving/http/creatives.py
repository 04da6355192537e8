"""Ads by HTTP as people review them: `GET /v1/creatives`, approved and banned with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adloom.loop.catalogue.creatives.gallery import BadPlace, InGallery, Wanted, of_ad, page
from adloom.loop.catalogue.creatives.reviewing import Review, ban, reviews_of
from adloom.loop.catalogue.creatives.store import State
from adloom.loop.inspection.titles import SaysBanned, approve
from adloom.loop.serving.http.access import Admitted, MayReview
from adloom.loop.serving.http.bodies import picture_path
from adloom.loop.serving.http.errors import GUARDED, problem, refusals
from adloom.loop.serving.http.prefix import Places, places
from adloom.loop.serving.http.reviewers import Person, key_name, reviewer
from adloom.loop.serving.http.routes import running
from adloom.stream.events import NO_NUL

_ABOUT = Query(max_length=128)

router = APIRouter(prefix="/v1/creatives", tags=["review"])


class Reviewed(BaseModel):
    """What was done to an ad, by whom and why."""

    at: datetime
    state: State = Field(description="that the ad had from then on")
    why: str
    by: str = Field(description="a person, or inspection, or the word list")


class CreativeTold(BaseModel):
    """An ad, whoever made it."""

    ad_id: str
    product_id: str
    title: str
    language: str = Field(description="BCP 47 tag of the product's texts; empty: unknown")
    picture_url: str
    variant: str = Field(description="the arm that drew it; shop: the shop's own")
    version: str
    seed: int
    served_at: datetime
    state: State = Field(description="draft: waits for a person; banned: shown no more")
    reviews: list[Reviewed] = Field(description="the latest last")


class CreativePage(BaseModel):
    """Some ads, the newest first."""

    creatives: list[CreativeTold]
    next: str | None = Field(
        description="`after` of the following page; null: that is all. A page may have few ads, or "
        "none, and others follow: it looks at a few thousand at most"
    )


class Approval(BaseModel):
    """Why an ad may be shown."""

    model_config = ConfigDict(extra="forbid")

    why: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=500, pattern=NO_NUL)
    ] = ""
    by: Person | None = Field(default=None, description="who decides, in their own words")


class Ban(BaseModel):
    """Why an ad may be shown no more."""

    model_config = ConfigDict(extra="forbid")

    why: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=NO_NUL)
    ]
    by: Person | None = Field(default=None, description="who decides, in their own words")


@router.get("", responses=refusals(*GUARDED), dependencies=Admitted)
def list_creatives(
    request: Request,
    product_id: Annotated[str, _ABOUT] = "",
    state: State | None = None,
    variant: Annotated[str, _ABOUT] = "",
    version: Annotated[str, _ABOUT] = "",
    language: Annotated[str, Query(max_length=35, description="de takes de-AT too")] = "",
    after: Annotated[str, Query(max_length=300, description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 60,
) -> CreativePage:
    """Ads, the newest first, with what people and inspection said of them."""
    engine = running(request).creatives.engine
    wanted = Wanted(product_id, state, variant, version, language)
    try:
        found = page(engine, wanted, after=after, limit=limit)
    except BadPlace as error:
        raise HTTPException(422, problem("after", str(error), "value_error", "query")) from error
    reviews = reviews_of(engine, [ad.ad_id for ad in found.ads])
    told = [_told(ad, reviews.get(ad.ad_id, ()), places(request)) for ad in found.ads]
    return CreativePage(creatives=told, next=found.next)


@router.get("/{ad_id:path}", responses=refusals(*GUARDED, 404), dependencies=Admitted)
def show_creative(ad_id: str, request: Request) -> CreativeTold:
    """One ad with its whole history."""
    engine = running(request).creatives.engine
    found = of_ad(engine, ad_id)
    if found is None:
        raise HTTPException(404, problem("ad_id", "there is no such ad", place="path"))
    return _told(found, reviews_of(engine, [ad_id]).get(ad_id, ()), places(request))


@router.post(
    "/{ad_id:path}/approve", responses=refusals(*GUARDED, 404, 409), dependencies=MayReview
)
def approve_creative(
    ad_id: str, approval: Approval, request: Request, key: Annotated[str, Depends(key_name)]
) -> CreativeTold:
    """Let an ad be shown, from the next request on at every server."""
    server = running(request)
    by = reviewer(approval.by, key)
    try:
        approve(server.catalogue, server.creatives, server.titles, [ad_id], why=approval.why, by=by)
    except SaysBanned as error:
        raise HTTPException(409, str(error)) from error
    return show_creative(ad_id, request)


@router.post("/{ad_id:path}/ban", responses=refusals(*GUARDED, 404), dependencies=MayReview)
def ban_creative(
    ad_id: str, wanted: Ban, request: Request, key: Annotated[str, Depends(key_name)]
) -> CreativeTold:
    """Show an ad no more, nor what looks the same; histories and rounds do not read it either."""
    ban(running(request).creatives, [ad_id], why=wanted.why, by=reviewer(wanted.by, key))
    return show_creative(ad_id, request)


def _told(ad: InGallery, reviews: Sequence[Review], here: Places) -> CreativeTold:
    return CreativeTold(
        ad_id=ad.ad_id,
        product_id=ad.product_id,
        title=ad.title,
        language=ad.language,
        picture_url=here.own(picture_path(ad.picture)),
        variant=ad.variant,
        version=ad.version,
        seed=ad.seed,
        served_at=ad.served_at,
        state=ad.state,
        reviews=[Reviewed(at=one.at, state=one.state, why=one.why, by=one.by) for one in reviews],
    )
