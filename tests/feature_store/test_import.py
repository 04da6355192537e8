"""Importing Feast compiles none of its methods again; others are still checked by `typeguard`."""

from __future__ import annotations

from inspect import isfunction
from typing import Any

import feast
import pytest
import typeguard

from adloom.feature_store import store as store


def parts_of_typeguard(kind: type[Any]) -> set[str]:
    """What the methods of a class import of typeguard, which its decorator writes into them."""
    methods = [method for method in vars(kind).values() if isfunction(method)]
    names = {name for method in methods for name in method.__code__.co_names}
    return {name for name in names if name.startswith("typeguard")}


@pytest.mark.parametrize("kind", [feast.Entity, feast.FeatureView, feast.OnDemandFeatureView])
def test_feasts_methods_are_as_they_are_written(kind: type[Any]) -> None:
    assert parts_of_typeguard(kind) == set()


def test_others_are_still_checked() -> None:
    @typeguard.typechecked
    class Other:
        def doubled(self, number: int) -> int:
            return 2 * number

    assert parts_of_typeguard(Other)
    with pytest.raises(typeguard.TypeCheckError):
        Other().doubled("two")  # type: ignore[arg-type]
