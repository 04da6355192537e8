"""What is said of a version that the registry does not have."""

from __future__ import annotations

from collections.abc import Sequence

from adloom.loop.learning.registered_model import Version


class UnknownVersion(LookupError):
    """The registry has no such version (or alias)."""


def without_champion(model: str, found: Sequence[Version], deleted: int | None) -> str:
    """Why a registered model has no champion, and how to make one.

    Args:
        found: versions that there are.
        deleted: the number that the alias still names.
    """
    if not found:
        return (
            f"no version of {model!r} is @champion: none is registered yet; adloom serve and "
            "adloom train-round register the base model"
        )
    why = "" if deleted is None else f": version {deleted}, which was, is deleted"
    return (
        f"no version of {model!r} is @champion{why}; make one champion with adloom promote N "
        f"({registered(found)}) or adloom rollback"
    )


def registered(versions: Sequence[Version]) -> str:
    """The numbers that there are."""
    return f"registered: {', '.join(str(v.number) for v in versions) or 'none'}"
