"""Old versions lose their adapters: those that nobody serves, names or may want back."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from adloom.loop.learning.emptied import BEGUN, TAG, is_emptied
from adloom.loop.learning.pyfunc_model import ADAPTER_PATH
from adloom.loop.learning.registered_model import Version
from adloom.loop.learning.registry import AdRegistry

_log = logging.getLogger("adloom.learning")


def beyond(versions: Sequence[Version], keep: int, needed: Collection[int]) -> list[Version]:
    """Those whose adapters may go, oldest first: neither among the newest nor used by anybody.

    Args:
        keep: so many of the newest that learnt something keep theirs.
        needed: versions that somebody asks for by number.
    """
    learnt = [version for version in versions if not version.is_base]
    old = sorted(learnt, key=lambda version: version.number)[:-keep]
    return [version for version in old if not version.aliases and version.number not in needed]


def empty_old(registry: AdRegistry, needed: Collection[int]) -> list[int]:
    """Remove the adapters of the registry's versions beyond `mlflow.keep`; which these were.

    One that is emptied by halves is finished the next time. ``needed`` as for `beyond`; what this
    home served last and the champion before this one stay besides. Raises RegistryUnavailable,
    RegistryRefused.
    """
    needed = {*needed, *registry.wanted_back()}
    old = beyond(registry.versions(), registry.keep, needed)
    emptied = [version.number for version in old if _empty(registry, version)]
    if emptied:
        _log.info(
            "versions %s are older than the %d that mlflow.keep keeps: their adapters are removed",
            ", ".join(map(str, emptied)),
            registry.keep,
        )
    registry.adapters.keep_only(one for one in registry.versions() if not is_emptied(one))
    return emptied


def _empty(registry: AdRegistry, version: Version) -> bool:
    """False where it was before, or it got an alias meanwhile."""
    model, number = registry.model, version.number
    if version.tags.get(TAG, BEGUN) != BEGUN:
        return False
    model.tag_version(number, TAG, BEGUN)
    if registry.version(number).aliases:
        model.untag_version(number, TAG)
        return False
    model.remove_files(number, ADAPTER_PATH)
    model.tag_version(number, TAG, datetime.now(UTC).isoformat(timespec="seconds"))
    return True
