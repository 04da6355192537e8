"""Settings of the pool of finished ads: which may be shown again, and to whom."""

from __future__ import annotations

from pydantic import Field

from adloom.loop.settings.section import Section


class PoolSettings(Section):
    """`[pool]`: requests with a deadline (`serve.deadline_ms`) are answered from it."""

    fit: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="an ad of the pool is shown where it is more like what the shopper clicked "
        "than such a share of the ads that were drawn anew; below it one is drawn behind",
    )
    least: int = Field(
        default=8,
        ge=1,
        description="while a product has fewer ads of the version that serves, more are drawn "
        "behind also for shoppers of whom no clicked ad is known",
    )
    drafts: int = Field(
        default=8,
        ge=1,
        description="while so many ads of a product and version wait for a person's approval, no "
        "more are drawn behind",
    )
    explore: float = Field(
        default=0.25,
        ge=0,
        le=10,
        description="how far Thompson sampling goes with ads that few have seen; 0 = never",
    )
    most: int = Field(
        default=128, ge=1, le=1024, description="ads of a product and version that are kept"
    )
    max_age_days: float = Field(
        default=30.0, gt=0, description="older ads are shown only where there is nothing else"
    )
    behind: int = Field(
        default=64, ge=1, description="ads that wait to be drawn behind; others are left out"
    )
    counted_days: float = Field(
        default=7.0, gt=0, le=90, description="showings so old still count for an ad's own clicks"
    )
    refresh_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="how often the event log is asked for new clicks"
    )
