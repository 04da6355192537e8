"""A version with all that is known of it; those of earlier releases carry less."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from adloom.loop.learning.cards.clicks import LoggedClicks, logged_clicks
from adloom.loop.learning.cards.judgement import JUDGEMENT_FILE, Judgement
from adloom.loop.learning.judgement import Finding
from adloom.loop.learning.logged_run import LoggedRun
from adloom.loop.learning.registered_model import Version

if TYPE_CHECKING:
    from adloom.loop.learning.registry import AdRegistry

CARD_FILE = "model_card.md"
_MOST_BYTES = 1 << 20
_SIDES = "champion_", "challenger_"


@dataclass(frozen=True)
class Figure:
    """A figure of a version beside that of the champion that it was judged against.

    What is not known is None: versions of earlier releases have no intervals. ``answer`` is
    ``better``, ``worse``, ``cannot_tell`` or empty.
    """

    name: str
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None = None
    high: float | None = None
    answer: str = ""


@dataclass(frozen=True)
class VersionDetails:
    """A version, the run that made it (None: gone, or it had none), and what that run tells."""

    version: Version
    run: LoggedRun | None
    clicks: tuple[LoggedClicks, ...]
    judgement: Judgement | None

    @property
    def parent(self) -> int | None:
        """The version that it was learned from, which was the champion."""
        told = self.version.tags.get("parent", "")
        return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else None

    @property
    def params(self) -> Mapping[str, str]:
        """Settings that it was trained with."""
        return {} if self.run is None else self.run.params

    @property
    def metrics(self) -> Mapping[str, float]:
        """The run's, or else those that are tags of the version."""
        if self.run is not None and self.run.metrics:
            return self.run.metrics
        numbers = ((name, _number(text)) for name, text in self.version.tags.items())
        kept = {"parent", "round"}
        return {name: n for name, n in numbers if n is not None and name not in kept}

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What the gate found, the deciding figure first."""
        if self.judgement is not None:
            return tuple(_figure(finding) for finding in self.judgement.findings)
        return tuple(_figures_of(self.metrics))


def details(registry: AdRegistry, name: int | str) -> VersionDetails:
    """A version by number or alias.

    Raises:
        UnknownVersion, RegistryUnavailable, RegistryRefused.
    """
    version = registry.find(name)
    run = registry.logged.find(version.run_id)
    return VersionDetails(
        version,
        run,
        () if run is None else logged_clicks(run.datasets),
        None if run is None else _judgement(registry, run),
    )


def as_json(told: VersionDetails) -> dict[str, Any]:
    """What ``adloom versions show --json`` prints; keys are added, never changed."""
    version, run = told.version, told.run
    return {
        "version": version.number,
        "aliases": list(version.aliases),
        "registered": version.created.isoformat(),
        "description": version.description,
        "parent": told.parent,
        "gate": version.tags.get("gate"),
        "objections": version.tags.get("gate_objections") or None,
        "window": {end: version.tags.get(f"clicks_{end}") for end in ("from", "until")},
        "clicks": [one.model_dump(mode="json") for one in told.clicks],
        "figures": [vars(figure) for figure in told.figures],
        "confidence": None if told.judgement is None else told.judgement.confidence,
        "groups": []
        if told.judgement is None
        else [group.model_dump(mode="json") for group in told.judgement.groups],
        "params": dict(sorted(told.params.items())),
        "metrics": {name: _finite(value) for name, value in sorted(told.metrics.items())},
        "tags": dict(sorted(version.tags.items())),
        "run": None
        if run is None
        else {
            "id": run.run_id,
            "experiment": run.experiment_id,
            "artifacts": run.artifact_uri,
            "files": sorted(run.files),
        },
    }


def _judgement(registry: AdRegistry, run: LoggedRun) -> Judgement | None:
    """None where the run has none that can be read: whoever may write there may write it."""
    text = registry.logged.file(run, JUDGEMENT_FILE, _MOST_BYTES)
    try:
        return None if text is None else Judgement.model_validate_json(text)
    except ValidationError:
        return None


def _figure(of: Finding) -> Figure:
    return Figure(
        of.name,
        _finite(of.champion),
        _finite(of.challenger),
        _finite(of.difference),
        _finite(of.low),
        _finite(of.high),
        of.answer,
    )


def _figures_of(metrics: Mapping[str, float]) -> Iterator[Figure]:
    """Of a version without a judgement: what both had, and no interval."""
    old, new = _SIDES
    for key, value in metrics.items():
        name = key.removeprefix(old)
        if name == key or new + name not in metrics:
            continue
        champion, challenger = _finite(value), _finite(metrics[new + name])
        known = champion is not None and challenger is not None
        difference = challenger - champion if known else None  # type: ignore[operator]
        yield Figure(name, champion, challenger, difference)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) and abs(value) < _MOST else None


_MOST = 1e300
"""MLflow keeps an infinite number in a database as the largest there is."""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
