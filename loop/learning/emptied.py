"""Versions that lost their adapters, so that a registry does not grow for ever.

They stay listed, with their figures and runs, and can be served, learnt from and judged no more.
"""

from __future__ import annotations

from adloom.loop.learning.kept_adapters import UnfitVersion
from adloom.loop.learning.registered_model import Version

TAG = "adapter_removed"
"""Of a version: since when its adapter is gone, ISO 8601; or BEGUN."""
BEGUN = "being removed"


class EmptiedVersion(UnfitVersion):
    """A version is asked for that lost its adapter; the message says what to do."""


def is_emptied(version: Version) -> bool:
    """Whether its adapter was removed, or is about to be."""
    return TAG in version.tags


def refuse_emptied(version: Version) -> None:
    """Raises EmptiedVersion."""
    if is_emptied(version):
        raise EmptiedVersion(
            f"version {version.number} has no adapter any more, since it was older than the "
            f"versions that mlflow.keep keeps ({version.tags[TAG]}): adloom versions "
            "shows which can be served, adloom promote N serves one of them"
        )
