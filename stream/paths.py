"""Values in a JSON object by a dotted path: `page.context`, `items.0.id`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Take = Callable[[Mapping[str, Any]], Any]
"""From an object to the value of a path; None where there is none."""


def taking(path: str) -> Take:
    """What takes the value at a path.

    Steps are names, or places in a list from 0. A name that holds the dots itself, as flattened
    exports have them, goes before the steps.
    """
    steps = path.split(".")
    if len(steps) == 1:
        return lambda own: own.get(path)

    def take(own: Mapping[str, Any]) -> Any:
        if path in own:
            return own[path]
        found: Any = own
        for step in steps:
            if isinstance(found, Mapping):
                found = found.get(step)
            elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            else:
                return None
        return found

    return take
