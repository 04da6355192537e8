"""What is live: the champion, the challenger, and the arms of an experiment that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adloom.loop.learning.registry import CHALLENGER, CHAMPION, AdRegistry
from adloom.loop.serving.champion import Champion
from adloom.loop.serving.requests import Variant
from adloom.loop.settings.experiments import Experiment
from adloom.models.generates import Generates
from adloom.models.settings import GeneratorSettings


@dataclass(frozen=True)
class LiveVariant:
    """Something that may draw, and all that people call it: the arm of an experiment may be the
    champion as it is.
    """

    names: tuple[str, ...]
    variant: Variant


def live_variants(
    champion: Champion,
    registry: AdRegistry,
    settings: GeneratorSettings,
    experiments: Mapping[str, Experiment],
    now: datetime,
) -> list[LiveVariant]:
    """Everything that could draw for a shopper now, the champion first; each can be drawn by.

    A challenger is loaded when it is first asked for, and left out where it cannot be served.
    """
    variants = [LiveVariant((CHAMPION,), Variant(CHAMPION, CHAMPION, settings))]
    challenger = registry.by_alias(CHALLENGER)
    other = challenger is not None and challenger.number != champion.serving.version
    if other and champion.load(CHALLENGER):
        variants.append(LiveVariant((CHALLENGER,), Variant(CHALLENGER, CHALLENGER, settings)))
    for title, experiment in experiments.items():
        if experiment.runs_at(now):
            variants += [
                LiveVariant(
                    (f"{name} ({title})",), Variant(name, arm.version, arm.applied_to(settings))
                )
                for name, arm in experiment.arms.items()
            ]
    return variants


def grouped(
    variants: Sequence[LiveVariant], champion: Champion, generator: Generates
) -> list[LiveVariant]:
    """Each that draws as no other does, under all its names: none is drawn twice.

    Two are one where the same version draws with the same settings, also where one says what the
    other leaves to the base.
    """

    found: list[tuple[tuple[object, ...], LiveVariant]] = []
    for one in variants:
        settings = one.variant.settings
        sampling = generator.sampling(settings)
        version = champion.served.get(one.variant.version, one.variant.version)
        draws = (version, sampling, settings.model_dump(exclude=set(type(sampling).model_fields)))
        for place, (known, first) in enumerate(found):
            if known == draws:
                found[place] = (known, replace(first, names=(*first.names, *one.names)))
                break
        else:
            found.append((draws, one))
    return [one for _, one in found]
