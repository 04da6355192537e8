"""What is wrong with a setting, in the words of who writes the file; no value is repeated.

A value may be a password, so that only times, which are none, are told again.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic_core import ErrorDetails

_A_TIME = "2026-01-02T00:00:00Z"
_EXAMPLES = {
    "start": f"start = {_A_TIME}",
    "arms": '[experiments.NAME.arms] with now = {} and new = { version = "@challenger" }',
}
_NAME = r"^[A-Za-z0-9._-]{1,64}$"
_OF_NAMES = "a name has the letters A to Z and a to z, digits, '.', '_' and '-', 64 at most"
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "string": 'text, in quotes: "..."',
    "dict": "a table, such as name = { ... }",
    "model": "a table, such as name = { ... }",
    "mapping": "a table, such as name = { ... }",
    "tuple": 'a list, such as ["...", "..."]',
    "list": 'a list, such as ["...", "..."]',
    "set": 'a list, such as ["...", "..."]',
    "frozen_set": 'a list, such as ["...", "..."]',
    "path": 'a path, in quotes: "..."',
    "url": 'an address, in quotes: "https://..."',
    "datetime": f"a time with a zone, such as {_A_TIME}",
}
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_OF_SEVERAL = ("Dictionary", "List", "Tuple", "Set", "Frozenset")
_OF_A_KIND = re.compile(r"(\w+?)_(type|parsing|parsing_size|from_float|attributes_type|unicode)")
_FIELD = re.compile(r'for field "(\w+)"')
_LINE = re.compile(r"at line (\d+)")


def told(problem: ErrorDetails) -> str:
    """One error of the settings' validation: key, what is wrong, and what to write."""
    key = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    words = _words(problem)
    return f"{key}: {words}" if key else words


def not_toml(error: tomllib.TOMLDecodeError, text: str) -> str:
    """What a file has that TOML has not, with what to do about a name in other letters."""
    line = _LINE.search(str(error))
    lines = text.splitlines()
    number = int(line[1]) if line else 0
    if 0 < number <= len(lines) and not lines[number - 1].partition("=")[0].isascii():
        return f"not valid TOML: {error}; {_OF_NAMES}"
    return f"not valid TOML: {error}"


def not_json(error: Exception) -> str:
    """What a variable is that cannot be read; its value stays untold."""
    if (field := _FIELD.search(str(error))) is None:
        return str(error)
    return (
        f"ADLOOM_{field[1].upper()}, or one that begins so, is no valid JSON, in which lists and "
        """tables are written there, such as '["a", "b"]'"""
    )


def _words(problem: ErrorDetails) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"must be {words} {context[bound]:g}"
    if kind in _TOLD:
        return _TOLD[kind](problem, context)
    if (of := _OF_A_KIND.fullmatch(kind)) and of[1] in _KINDS:
        return f"must be {_KINDS[of[1]]}"
    return problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


def _missing(problem: ErrorDetails, _: Mapping[str, Any]) -> str:
    example = _EXAMPLES.get(str(problem["loc"][-1]))
    return "is missing" + (f": write {example}" if example else ": it has no default, so set it")


def _too_short(problem: ErrorDetails, context: Mapping[str, Any]) -> str:
    if context["field_type"] not in _OF_SEVERAL:
        return f"must have at least {context['min_length']} characters"
    words = f"has {context['actual_length']} and needs at least {context['min_length']}"
    example = _EXAMPLES.get(str(problem["loc"][-1]))
    return f"{words}: write {example}" if example else words


def _pattern(_: ErrorDetails, context: Mapping[str, Any]) -> str:
    if context["pattern"] == _NAME:
        return f"cannot be a name here: {_OF_NAMES}"
    return f"must have the form {context['pattern']}"


def _no_zone(problem: ErrorDetails, _: Mapping[str, Any]) -> str:
    given = problem["input"]
    example = f"{given.isoformat()}Z" if isinstance(given, datetime) else _A_TIME
    return f"has no timezone: write {example} if it is UTC, or the offset, such as +01:00, for Z"


_TOLD: dict[str, Callable[[ErrorDetails, Mapping[str, Any]], str]] = {
    "extra_forbidden": lambda _, __: "no such setting",
    "missing": _missing,
    "too_short": _too_short,
    "too_long": lambda _, of: f"has {of['actual_length']} and takes at most {of['max_length']}",
    "string_too_short": lambda _, of: (
        "must not be empty"
        if of["min_length"] == 1
        else f"must have at least {of['min_length']} characters"
    ),
    "string_too_long": lambda _, of: f"must have at most {of['max_length']} characters",
    "string_pattern_mismatch": _pattern,
    "literal_error": lambda _, of: f"must be {of['expected']}",
    "enum": lambda _, of: f"must be {of['expected']}",
    "timezone_aware": _no_zone,
    "finite_number": lambda _, __: "must be a finite number",
}
