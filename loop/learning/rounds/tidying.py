"""After a round: what no later round needs goes, so that a home stays small."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from adloom.loop.learning.emptying import empty_old
from adloom.loop.learning.registry_errors import RegistryRefused, RegistryUnavailable
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.kept import SMALL_FILES, is_over, planned_rounds

_log = logging.getLogger("adloom.learning")


def tidy(ground: TrainingGround) -> None:
    """For who holds the turn. What cannot be removed now is removed after the next round."""
    clear_rounds(ground.folder)
    try:
        empty_old(ground.registry, ground.needed_versions)
    except (RegistryUnavailable, RegistryRefused) as error:
        _log.warning("adapters of old versions are not removed yet: %s", error)


def clear_rounds(folder: Path) -> None:
    """Of rounds that are over plan and outcome stay: the adapter is in the registry by then."""
    for _, kept in planned_rounds(folder):
        if not is_over(kept):
            continue
        for path in kept.iterdir():
            if path.name in SMALL_FILES:
                continue
            try:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("%s of a round that is over cannot be removed: %s", path, error)
