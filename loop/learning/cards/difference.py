"""How two versions differ: settings, figures, clicks, and what their adapters change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from adloom.loop.learning.cards.details import Figure, VersionDetails
from adloom.models.adapter_distance import ModuleDistance

Relation = Literal["b judged against a", "a judged against b", "judged apart"]


@dataclass(frozen=True)
class VersionDifference:
    """Two versions.

    Attributes:
        a: one of them.
        b: the other.
        modules: how far their adapters are apart; None where these were not looked at.
    """

    a: VersionDetails
    b: VersionDetails
    modules: tuple[ModuleDistance, ...] | None = None

    @property
    def relation(self) -> Relation:
        """Whether one was judged on the same ads as the other, which was the champion."""
        if self.b.parent == self.a.version.number:
            return "b judged against a"
        if self.a.parent == self.b.version.number:
            return "a judged against b"
        return "judged apart"

    @property
    def params(self) -> dict[str, tuple[str | None, str | None]]:
        """Settings of which the two have not the same, or one none."""
        a, b = self.a.params, self.b.params
        both = ((name, (a.get(name), b.get(name))) for name in sorted({*a, *b}))
        return {name: pair for name, pair in both if pair[0] != pair[1]}

    @property
    def metrics(self) -> dict[str, tuple[float | None, float | None]]:
        """Numbers of which the two have not the same, or one none."""
        a, b = self.a.metrics, self.b.metrics
        both = ((name, (a.get(name), b.get(name))) for name in sorted({*a, *b}))
        return {name: pair for name, pair in both if pair[0] != pair[1]}

    @property
    def figures(self) -> dict[str, tuple[Figure | None, Figure | None]]:
        """What the gate found of each, against its own champion, by the figure's name."""
        a, b = ({one.name: one for one in side.figures} for side in (self.a, self.b))
        return {name: (a.get(name), b.get(name)) for name in dict.fromkeys([*a, *b])}


def as_json(told: VersionDifference) -> dict[str, Any]:
    """What ``adloom versions diff --json`` prints; keys are added, never changed."""

    def pair(of: tuple[Any, Any]) -> dict[str, Any]:
        return {"a": of[0], "b": of[1]}

    sides = told.a, told.b
    return {
        **pair((told.a.version.number, told.b.version.number)),
        "relation": told.relation,
        "window": pair(
            tuple(
                {end: side.version.tags.get(f"clicks_{end}") for end in ("from", "until")}
                for side in sides
            )  # type: ignore[arg-type]
        ),
        "clicks": pair(
            tuple([one.model_dump(mode="json") for one in side.clicks] for side in sides)  # type: ignore[arg-type]
        ),
        "params": {name: pair(values) for name, values in told.params.items()},
        "metrics": {name: pair(values) for name, values in told.metrics.items()},
        "figures": {
            name: pair(tuple(one and asdict(one) for one in found))  # type: ignore[arg-type]
            for name, found in told.figures.items()
        },
        "modules": None if told.modules is None else [asdict(one) for one in told.modules],
    }
