"""What a version says of its base; nothing that loads one is imported for it."""

from __future__ import annotations

BASE_NAME, BASE_FOLDER = "base_name", "base"
"""Tags of a version: its base by its weights, and where that lay."""
BUNDLED = "the bundled base"
"""What stands for the place of the base that comes with adloom."""
