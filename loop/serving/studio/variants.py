"""What is live: the champion, the challenger, and the arms of an experiment that runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from adloom.loop.learning.registry import CHALLENGER, CHAMPION, AdRegistry
from adloom.loop.serving.champion import Champion
from adloom.loop.serving.requests import Variant
from adloom.loop.settings.experiments import Experiment
from adloom.models.settings import GeneratorSettings


def live_variants(
    champion: Champion,
    registry: AdRegistry,
    settings: GeneratorSettings,
    experiments: Mapping[str, Experiment],
    now: datetime,
) -> list[Variant]:
    """Everything that could draw for a shopper now, the champion first; each can be drawn by.

    A challenger is loaded when it is first asked for, and left out where it cannot be served.
    """
    variants = [Variant(CHAMPION, CHAMPION, settings)]
    challenger = registry.by_alias(CHALLENGER)
    other = challenger is not None and challenger.number != champion.serving.version
    if other and champion.load(CHALLENGER):
        variants.append(Variant(CHALLENGER, CHALLENGER, settings))
    for experiment in experiments.values():
        if experiment.runs_at(now):
            variants += [
                Variant(name, arm.version, arm.applied_to(settings))
                for name, arm in experiment.arms.items()
            ]
    return variants
