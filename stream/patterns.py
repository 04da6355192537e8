"""Regular expressions of the settings, by RE2: no pattern and no text can hold it up."""

from __future__ import annotations

from collections.abc import Callable

Search = Callable[[str], object]


def compile_pattern(pattern: str) -> Search:
    """What finds the pattern anywhere in a text: it returns None where it does not.

    Raises ValueError.
    """
    import re2  # here, since few settings have a pattern

    options = re2.Options()
    options.log_errors = False
    try:
        search: Search = re2.compile(pattern, options).search
    except re2.error as error:
        told = error.args[0].decode(errors="replace") if error.args else "RE2 does not take it"
        raise ValueError(f"not a regular expression that can be used: {told}") from error
    return search
