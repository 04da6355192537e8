"""Bodies of the ad server's requests and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adloom.loop.catalogue.histories.past_ads import Clicked
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.http.prefix import Places
from adloom.loop.serving.in_time.chosen import Chosen, Source
from adloom.loop.serving.titles import TitleSource
from adloom.loop.settings.experiments import LEAST_SHARE
from adloom.stream.events import NO_NUL

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=NO_NUL)]


class Assigned(BaseModel):
    """The arm of an experiment that the caller put the shopper in."""

    model_config = ConfigDict(extra="forbid")

    experiment: Identifier = Field(description='of the settings, with assigned_by = "caller"')
    variant: Identifier = Field(description="one of its arms")
    propensity: float | None = Field(
        default=None,
        ge=LEAST_SHARE,
        le=1,
        description="how likely the shopper came into this arm; null: as the arm's weight says",
    )


class AdWanted(BaseModel):
    """An ad for a shopper and a product."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"user_id": "shopper-0001", "product_id": "running-shoes", "seed": 7}]
        },
    )

    user_id: Identifier
    product_id: Identifier
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**31,
        description="the same seed draws the same ad, without a deadline: with one a finished ad "
        "may be answered, and what is drawn has it; null: at random",
    )
    inline_picture: bool = Field(default=False, description="send the PNG along, base64")
    personalise: bool = Field(
        default=True, description="false: what anyone would get, whatever the shopper clicked"
    )
    deadline_ms: int | None = Field(
        default=None,
        ge=1,
        le=60_000,
        description="answer by then: with a finished ad that suits the shopper, or one that is "
        "drawn in time, or the next best; null: as serve.deadline_ms says",
    )
    log_exposure: bool = Field(
        default=True,
        description="false: the ad counts as shown only once POST /v1/exposures/{exposure_id} says "
        "so, as in mails, which are opened later or never",
    )
    assignment: Assigned | None = Field(
        default=None, description="null: adloom deals the shopper into the experiment that runs"
    )


class ClickedBefore(BaseModel):
    """A click of the history that the new ad was made after."""

    ad_id: str | None = Field(description="null: the product itself stands for the click")
    product_id: str
    title: str
    picture_url: str


class AdMade(BaseModel):
    """A finished ad."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "ad_id": "5f1c2a52-7f0e-4c6e-9d2e-0a8f9e1f7c11",
                    "user_id": "shopper-0001",
                    "product_id": "running-shoes",
                    "title": "Running Shoes, light as air",
                    "picture_url": f"/v1/pictures/{'0f' * 32}.webp",
                    "picture_png": None,
                    "variant": "champion",
                    "experiment": None,
                    "model_version": "3",
                    "seed": 7,
                    "personalised": True,
                    "degraded": False,
                    "source": "drawn",
                    "age_seconds": 0,
                    "fit": None,
                    "title_source": "model",
                    "exposure_id": "0b6f6a8e-5d5b-4a53-8f0f-2a7f8f1d2c33",
                    "history": [
                        {
                            "ad_id": "shop-0-00001",
                            "product_id": "trail-boots",
                            "title": "Trail Boots for wet days",
                            "picture_url": f"/v1/pictures/{'1e' * 32}.webp",
                        }
                    ],
                }
            ]
        },
    )

    ad_id: str
    user_id: str
    product_id: str
    title: str
    picture_url: str = Field(
        description="whole where serve.public_url is set; else a path of the server asked"
    )
    picture_png: str | None = Field(default=None, description="base64, where asked for")
    variant: str
    experiment: str | None = Field(description="that the variant is an arm of; none runs: null")
    model_version: str
    seed: int
    personalised: bool = Field(
        description="the shopper's clicks counted: in the drawing, or in the choice among several"
    )
    degraded: bool = Field(description="the feature store was away: drawn without a history")
    source: Source = Field(
        description="drawn: for this request; pool: drawn for another before; shop: its own"
    )
    age_seconds: int = Field(description="since it was made")
    fit: float | None = Field(
        description="of one of the pool: share of the ads drawn anew that were less like what "
        "their shopper clicked; null where nobody can tell, as for who clicked no ad"
    )
    title_source: TitleSource | None = Field(
        description="model: it wrote the title; fallback: none that it wrote could be shown, so "
        "the title is the product's name and a selling point; null: it was made before"
    )
    exposure_id: str | None = Field(
        description="of the event that it was shown; null: nothing counts of who is forgotten"
    )
    history: list[ClickedBefore] = Field(description="clicks that it was drawn after")


def picture_path(digest: str) -> str:
    """Where the server shows a picture of an ad, or of a product."""
    return f"/v1/pictures/{digest}.webp"


def clicked_before(past: Clicked, places: Places) -> ClickedBefore:
    """A click of a history as answers tell it."""
    return ClickedBefore(
        ad_id=past.ad_id or None,
        product_id=past.product_id,
        title=past.title,
        picture_url=places.public(picture_path(past.picture)),
    )


def ad_made(
    ad: Ad | Chosen, picture_png: str | None, exposure_id: str | None, places: Places
) -> AdMade:
    """The answer to a request."""
    return AdMade(
        ad_id=ad.creative.ad_id,
        user_id=ad.request.user_id,
        product_id=ad.creative.product_id,
        title=ad.creative.title,
        picture_url=places.public(picture_path(ad.creative.picture)),
        picture_png=picture_png,
        variant=ad.variant,
        experiment=ad.request.assignment and ad.request.assignment.experiment,
        model_version=ad.creative.version,
        seed=ad.creative.seed,
        personalised=ad.personalised,
        degraded=ad.degraded,
        source=ad.source,
        age_seconds=round(ad.age_seconds),
        fit=None if ad.fit is None else round(ad.fit, 4),
        title_source=ad.title_source,
        exposure_id=exposure_id,
        history=[clicked_before(past, places) for past in ad.history],
    )
