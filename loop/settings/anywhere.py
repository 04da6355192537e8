"""Settings for a process that starts in another folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from adloom.loop.settings import Settings


def anywhere(settings: Settings) -> Settings:
    """The same settings, their paths absolute."""
    values = {name: _absolute(getattr(settings, name)) for name in Settings.model_fields}
    return Settings.model_construct(**values)


def _absolute(value: Any) -> Any:
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return value.model_copy(update={name: _absolute(getattr(value, name)) for name in fields})
    return value
