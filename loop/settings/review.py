"""Settings of the review of ads: what a drawn one must be to be shown, and who decides."""

from __future__ import annotations

from pydantic import Field

from adloom.loop.settings.section import Section


class ReviewSettings(Section):
    """`[review]`: an ad that does not pass waits as a draft until a person decides.

    Colours are told apart as eyes do, in CIE Lab: a difference of 2 is just seen, black and white
    are 100 apart.
    """

    required: bool = Field(
        default=False, description="every drawn ad waits until a person approves it"
    )
    least_visible: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="share of the product that must differ in colour from the ground around it",
    )
    least_contrast: float = Field(
        default=4.0,
        ge=0,
        le=100,
        description="difference in colour that half of the product's edge must have to the ground",
    )
    duplicate: float = Field(
        default=2.5,
        ge=0,
        le=100,
        description="a picture that differs by no more from a banned one of its product is the "
        "same; 0 = only one that is equal",
    )
