"""Feast's registry, where others share theirs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from adloom.loop.doctor.finding import Check, Finding, judged

PART = "feature registry"
_SEE = "see features.registry"


def feature_registry_check(registry: dict[str, Any]) -> Check:
    """Of `[features] registry`, as Feast has it."""
    where = _shown(registry)
    return Check(PART, where, "features.registry", partial(_look, registry, where))


def _look(registry: dict[str, Any], where: str) -> Iterator[Finding]:
    path = str(registry.get("path", ""))
    if registry.get("registry_type", "file") == "sql":
        problem = _why_not_asked(path)
        yield judged(PART, where, [] if problem is None else [problem], [])
    elif "://" in path:
        yield Finding(PART, f"{where} is asked by whoever opens the features")
    elif Path(path).is_file():
        yield Finding(PART, where)
    else:
        yield Finding(PART, f"{where} is not there yet: it is made by who consumes or serves")


def _why_not_asked(url: str) -> str | None:
    """What keeps the database of a registry from answering; nothing is made there."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        finally:
            engine.dispose()
    except ImportError as error:
        return f"its driver is not installed ({error}): {_SEE}"
    except SQLAlchemyError as error:
        first = str(error).strip().partition("\n")[0]
        return f"it cannot be used ({first}): {_SEE}"
    return None


def _shown(registry: dict[str, Any]) -> str:
    """Its place without a password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    path = str(registry.get("path", ""))
    if "@" not in path:
        return path
    try:
        return make_url(path).render_as_string(hide_password=True)
    except ArgumentError:
        return "a path that is no URL"
