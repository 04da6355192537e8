"""Looks at the parts of some settings, and at what they leave behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adloom.loop.commands.errors import in_one_line
from adloom.loop.doctor.checks import all_checks
from adloom.loop.doctor.examine import examine
from adloom.loop.doctor.finding import Finding
from adloom.loop.settings import Settings

_SECONDS = 60.0  # a loaded machine answers late, and that is not what these tests ask


def settings_of(home: Path, **given: Any) -> Settings:
    """Settings of a home, with no file and nothing of the environment."""
    return Settings.model_validate({"home": home, **given})


def looked(
    settings: Settings, part: str | None = None, seconds: float = _SECONDS
) -> dict[str, Finding]:
    """Findings by part; of one part's check alone where it is named."""
    checks = [check for check in all_checks(settings) if part in (None, check.part)]
    return {finding.part: finding for finding in examine(checks, in_one_line, seconds)}


def tree(folder: Path) -> dict[str, str]:
    """All that lies in a folder: files by their content and time, folders by their time."""
    return dict(_told(folder))


def _told(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        found = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        yield str(path.relative_to(folder)), f"{found.st_mode:o} {found.st_mtime_ns} {content}"
