"""Folders of a home whose pictures belong elsewhere by now."""

from __future__ import annotations

from pathlib import Path

from adloom.loop.settings.pictures import PicturesSettings

_MOVING = ".moving"
"""Behind the name of a folder of which all but the last is taken over."""


def pictures_left_behind(home: Path, settings: PicturesSettings) -> list[Path]:
    """Those that hold something, where the settings name another place."""
    if settings.url is None:
        # Where a move was begun, and the settings were put back, nothing may seem lost.
        return [folder for folder in map(moving, _folders(home)) if folder.exists()]
    found = []
    for folder in _folders(home):
        if (begun := moving(folder)).exists():
            found.append(begun)
        if Path(settings.url) != folder.absolute() and _holds_files(folder):
            found.append(folder)
    return found


def moving(folder: Path) -> Path:
    """What a folder is called once nobody may write to it any more."""
    return folder if folder.name.endswith(_MOVING) else folder.with_name(folder.name + _MOVING)


def _folders(home: Path) -> tuple[Path, Path]:
    return home / "catalogue" / "pictures", home / "creatives" / "png"


def _holds_files(folder: Path) -> bool:
    return any(path.is_file() for path in folder.glob("*/*"))
