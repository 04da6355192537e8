"""Prometheus' own tool, where it is installed (Debian: prometheus)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)


def promtool(*words: str, folder: Path | None = None, told: str = "") -> str:
    """What it says; fails the test where it finds something wrong."""
    done = subprocess.run(
        ["promtool", *words], input=told, capture_output=True, text=True, cwd=folder, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
