"""Where a home may lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

_NOT_IN_ADDRESSES = "%?#"


def _addressable(home: Path) -> Path:
    """Raises ValueError: SQLite and MLflow name files by addresses, which end at such a sign, so
    that files would be made elsewhere."""
    for place in (home.absolute(), home.resolve()):
        found = [sign for sign in _NOT_IN_ADDRESSES if sign in str(place)]
        if found:
            raise ValueError(
                f"{place} has {' and '.join(found)} in it, which no address of a database can "
                "hold: choose another folder"
            )
    return home


Home = Annotated[Path, AfterValidator(_addressable)]
