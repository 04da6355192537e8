"""How an ad is drawn."""

from __future__ import annotations

from dataclasses import dataclass

from adloom.models.settings import GeneratorSettings


@dataclass(frozen=True)
class Sampling:
    """Weights of the draw; see :class:`adloom.models.settings.GeneratorSettings`.

    ``keep`` is the share of history tokens that passes the fine stage: ``None`` is the model's
    own, 1 is the ablation without that stage.
    """

    guidance: float = 3.0
    temperature: float = 0.9
    title_temperature: float = 0.6
    foreground_strength: float = 1.5
    keep: float | None = None

    @classmethod
    def of(cls, settings: GeneratorSettings) -> Sampling:
        """The draw that the settings ask for."""
        return cls(
            guidance=settings.guidance,
            temperature=settings.temperature,
            title_temperature=settings.title_temperature,
            foreground_strength=settings.foreground_strength,
        )
