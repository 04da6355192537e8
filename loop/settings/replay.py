"""Settings of click logs that are replayed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from adloom.loop.settings.section import Section


class ReplaySettings(Section):
    """`[replay]`: how the shop's click logs are laid out; options of the command go before it."""

    columns: dict[str, str] = Field(
        default={},
        description="own names of columns: adloom's field = name in the log, such as "
        "user_id = 'customer'; also click (0 or 1) and kind",
    )
    separator: str | None = Field(default=None, description="of CSV; none = as the first line has")
    unit: Literal["s", "ms", "us", "ns"] | None = Field(
        default=None, description="of moments that are numbers since 1970; none = ISO 8601"
    )
    zone: str = Field(default="UTC", description="of moments that tell none")
