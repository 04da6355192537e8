"""How an ad is drawn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """Weights of the draw; see :class:`adloom.models.settings.GeneratorSettings`.

    ``keep`` is the share of history tokens that passes the fine stage: ``None`` is the model's
    own, 1 is the ablation without that stage. With ``style_words`` a title may use these words
    and those of its product alone (:mod:`adloom.models.title_constraint`); ``None`` sets no limit.
    """

    guidance: float = 3.0
    temperature: float = 0.9
    title_temperature: float = 0.6
    foreground_strength: float = 1.5
    keep: float | None = None
    style_words: tuple[str, ...] | None = None
