"""What a registered version is told, for whoever runs it without adloom's server."""

from __future__ import annotations

from dataclasses import asdict

from adloom.models.sampling import Sampling
from adloom.models.settings import GeneratorSettings


def model_config(drawing: GeneratorSettings) -> dict[str, object]:
    """What a registered version needs to know to draw ads on its own."""
    return {
        "base": None if drawing.path is None else str(drawing.path.resolve()),
        "sampling": asdict(Sampling.of(drawing)),
        "constrain_titles": drawing.constrain_titles,
    }
