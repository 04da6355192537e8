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
    places = [(step, int(step) if step.isdecimal() else None) for step in steps]

    def take(own: Mapping[str, Any]) -> Any:
        if path in own:
            return own[path]
        found: Any = own
        for step, place in places:
            if type(found) is dict:
                found = found.get(step)
            elif type(found) is list and place is not None and place < len(found):
                found = found[place]
            else:
                return None
        return found

    return take
