"""The studio of a tiny loop, for the tests of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image

from adloom.loop import home
from adloom.loop.settings import Settings
from tests.loop_parts import register_adapter, tiny_settings

KEY = "a-key-of-sixteen-or-more"
WRITE_KEY = "a-key-that-promotes-nothing"
KEYED = {"X-API-Key": KEY}


def studio_settings(
    folder: Path, serve: Mapping[str, Any] = MappingProxyType({}), **more: Any
) -> Settings:
    """Settings with keys, and a challenger beside the champion."""
    own = {"follow_seconds": 0.2, "api_keys": [KEY], "write_keys": [WRITE_KEY]}
    settings = tiny_settings(folder, serve=own | dict(serve), **more)
    registry = home.registry_with_base(settings)
    registry.set_challenger(register_adapter(settings, registry, "fresh"))
    return settings


def png(mode: str = "RGBA", size: tuple[int, int] = (40, 60)) -> bytes:
    """A picture with a square in its middle, around it nothing."""
    picture = Image.new(mode, size)
    picture.paste((200, 80, 20, 255)[: len(mode)], (10, 10, 30, 30))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
