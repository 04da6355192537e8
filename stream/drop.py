"""Events that are left out by the rules of the settings, such as those of bots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adloom.stream.event_settings import DropRule
from adloom.stream.paths import taking
from adloom.stream.patterns import compile_pattern

Dropping = Callable[[Mapping[str, Any]], str | None]
"""From a payload to the name of the first rule that leaves it out; None where none does."""


def dropping(rules: Sequence[DropRule]) -> Dropping:
    """What tells whether an event is left out."""
    checks = [(rule.name or rule.field, taking(rule.field), _holds(rule)) for rule in rules]

    def first(own: Mapping[str, Any]) -> str | None:
        for name, take, holds in checks:
            if holds(take(own)):
                return name
        return None

    return first


def _holds(rule: DropRule) -> Callable[[Any], bool]:
    if rule.matches is not None:
        search = compile_pattern(rule.matches)
        return lambda value: isinstance(value, str) and search(value) is not None
    wanted = rule.equals
    # In Python True equals 1.
    return lambda value: value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
