"""Lets Feast be imported without the checks of types that it compiles into its methods.

Feast decorates most of its classes by `typeguard.typechecked`, which parses and compiles the whole
module again for each of their methods. At every start of a command that took longer than all else
that Feast imports.
"""

from __future__ import annotations

from typing import Any

import typeguard

_typechecked = typeguard.typechecked


def _checks_all_but_feast(target: Any = None, **options: Any) -> Any:
    if getattr(target, "__module__", "").startswith("feast."):
        return target
    return _typechecked(target, **options)


typeguard.typechecked = _checks_all_but_feast
