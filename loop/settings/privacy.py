"""Settings of how long what is known of users is kept."""

from __future__ import annotations

from pydantic import Field

from adloom.loop.settings.section import Section


class PrivacySettings(Section):
    """`[privacy]`: `adloom retention` applies it, once a day."""

    retention_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="whole days, UTC, that events, ads of adloom's with their pictures, plans of "
        "rounds and dead letters are kept; none = for ever",
    )
