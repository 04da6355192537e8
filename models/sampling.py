"""How an ad is drawn."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from adloom.models.settings import (
    GeneratorSettings,
    Guidance,
    Strength,
    Temperature,
    TopK,
    TopP,
)


class BaseSampling(BaseModel):
    """How a base draws where nobody says otherwise; it is kept with the base.

    See :class:`adloom.models.settings.GeneratorSettings`. The defaults are those of the bundled
    model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    guidance: Guidance = 3.0
    temperature: Temperature = 0.9
    top_k: TopK = 0
    top_p: TopP = 1.0
    title_temperature: Temperature = 0.6
    title_top_k: TopK = 0
    title_top_p: TopP = 1.0
    foreground_strength: Strength = 1.5


class Sampling(BaseSampling):
    """One draw. ``keep`` is the share of history tokens that passes the fine stage: ``None`` is
    the model's own, 1 is the ablation without that stage.
    """

    keep: float | None = None

    @classmethod
    def of(cls, base: BaseSampling, settings: GeneratorSettings | None = None) -> Sampling:
        """The draw that ``settings`` ask for, the base's own where they say nothing."""
        asked = (settings or GeneratorSettings()).model_dump(
            include=set(BaseSampling.model_fields), exclude_none=True
        )
        return cls(**(base.model_dump() | asked))
