"""What a registered version is told, for whoever runs it without adloom's server."""

from __future__ import annotations

from adloom.models.config import AdGeneratorConfig
from adloom.models.generator import DEMO_MODEL
from adloom.models.sampling import Sampling
from adloom.models.settings import GeneratorSettings


def model_config(drawing: GeneratorSettings) -> dict[str, object]:
    """What a registered version needs to know to draw ads on its own, as it is drawn with now.

    Raises:
        FileNotFoundError: the settings' base is not there.
    """
    base = AdGeneratorConfig.load(drawing.path or DEMO_MODEL)
    return {
        "base": None if drawing.path is None else str(drawing.path.resolve()),
        "sampling": Sampling.of(base.sampling, drawing).model_dump(),
        "constrain_titles": drawing.constrain_titles,
    }
