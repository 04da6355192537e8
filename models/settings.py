"""Settings of generation and fine-tuning."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Coarse = Literal["representative", "similarity"]
Guidance = Annotated[float, Field(ge=1.0, le=20.0)]
Temperature = Annotated[float, Field(gt=0.0, le=2.0)]
TopK = Annotated[int, Field(ge=0)]
TopP = Annotated[float, Field(gt=0.0, le=1.0)]
Strength = Annotated[float, Field(ge=0.0, le=5.0)]
_OWN = "none = the base's own"
MOST_RANK = 4096  # the width of Janus-Pro-7B: more could say nothing more
MOST_ALPHA = 999_999  # what is as large as an adapter's `lora_alpha` may be is not served


class GeneratorSettings(BaseModel):
    """How ads are drawn.

    ``path`` is a folder written by ``AdGenerator.save_pretrained``; ``None`` is the bundled demo
    model. ``guidance`` is the classifier-free guidance weight (the paper uses 5; a base that has
    learnt it is guided by 8 at most); ``temperature`` and ``title_temperature`` divide the logits
    of image and text tokens; ``top_k`` and ``title_top_k`` let only that many of the likeliest be
    drawn (0: no limit), ``top_p`` and ``title_top_p`` as many as have that probability together (1:
    no limit); ``foreground_strength`` scales the foreground features (paper: 1.5). Where one of
    these is not set, it is the base's own, which its ``ad_generator.json`` tells. ``coarse``
    chooses the clicks that stand for a history: ``representative`` covers it, is deterministic and
    reads first what they agree on (:mod:`adloom.models.agreement`), ``similarity`` samples by
    likeness to the product as the paper does. An ad that was looked at counts ``seen_weight`` of
    one that was clicked for what they agree on, where the features keep such ads
    (``features.impressions_length``). With ``constrain_titles`` a title uses its product's words
    and words of style alone. Of ``candidates`` ads drawn for a request the one most like the
    shopper's clicked ads is served (:mod:`adloom.models.quality.rerank`); the brief is encoded once
    for all of them. With ``int8`` pictures are decoded in 8 bits on a CPU that is faster so, if
    nobody sees a difference.
    """

    model_config = ConfigDict(extra="forbid")

    path: Path | None = None
    device: str | None = None
    guidance: Guidance | None = Field(None, description=_OWN)
    temperature: Temperature | None = Field(None, description=_OWN)
    top_k: TopK | None = Field(None, description=_OWN)
    top_p: TopP | None = Field(None, description=_OWN)
    title_temperature: Temperature | None = Field(None, description=_OWN)
    title_top_k: TopK | None = Field(None, description=_OWN)
    title_top_p: TopP | None = Field(None, description=_OWN)
    foreground_strength: Strength | None = Field(None, description=_OWN)
    history_items: int = Field(10, ge=0, le=10)
    coarse: Coarse = "representative"
    seen_weight: float = Field(0.4, ge=0.0, le=1.0)
    constrain_titles: bool = True
    candidates: int = Field(1, ge=1, le=16)
    batch_size: int = Field(16, ge=1, le=256)
    int8: bool = True


class TrendSettings(BaseModel):
    """What a round does when shoppers have moved together.

    Of what everybody clicks in a category of late so many ads go into a prompt as the held-out
    clicks ask for, by more than chance, out of ``items`` (0 alone: no trends at all). Where they
    ask for any there is something new to draw: LoRA learns at ``learning_rate`` for up to
    ``max_steps``, with ``preference_weight`` on pairs, which keep a model near what it drew before.
    """

    model_config = ConfigDict(extra="forbid")

    items: tuple[Annotated[int, Field(ge=0, le=10)], ...] = Field((0, 4, 7), min_length=1)
    learning_rate: float = Field(1e-3, gt=0.0)
    max_steps: int = Field(100, ge=1)
    preference_weight: float = Field(0.0, ge=0.0)


class FineTuneSettings(BaseModel):
    """One LoRA round. ``max_seconds`` bounds wall-clock time, ``max_steps`` the work, but for
    rounds with a trend, which have ``trend.max_steps``.

    While tastes stay, clicks on whatever ads a shop has tell less of a shopper than the base makes
    of a history already: learning them fast (5e-4) makes held-out clicks likelier and ads worse,
    hence the low ``learning_rate``; after a drift see :class:`TrendSettings`. The conditioning
    modules learn at the share ``module_rate`` of LoRA's rate.

    ``replay_share`` is the part of a batch that earlier clicked ads take, where there are any.
    For a share ``hidden_context`` of the ads, what was written and drawn before a token is partly
    replaced at random: after a clean context only the first tokens tell what product and shopper
    call for. That teaches faster what all shoppers want now, and costs some of what each wants.
    ``preference_weight`` is that of the loss on pairs of a clicked and an unclicked ad beside the
    loss on clicked ads (0: none), ``preference_beta`` how far the model may move from the
    champion for them. Every ``evaluate_every`` steps the held-out loss is looked at; the best
    adapter is kept, and training ends when ``patience`` looks in a row found none better.
    """

    model_config = ConfigDict(extra="forbid")

    rank: int = Field(16, ge=1, le=MOST_RANK)
    alpha: int = Field(32, ge=1, le=MOST_ALPHA)
    learning_rate: float = Field(1e-4, gt=0.0)
    module_rate: float = Field(0.1, ge=0.0, le=1.0)
    trend: TrendSettings = TrendSettings()
    batch_size: int = Field(8, ge=1)
    max_steps: int = Field(60, ge=1)
    max_seconds: float = Field(600.0, gt=0.0)
    hidden_context: float = Field(0.0, ge=0.0, le=1.0)
    replay_share: float = Field(0.25, ge=0.0, le=0.9)
    preference_weight: float = Field(0.5, ge=0.0)
    preference_beta: float = Field(2.0, gt=0.0)
    evaluate_every: int = Field(15, ge=1)
    patience: int = Field(3, ge=1)
    checkpoint_every: int = Field(10, ge=1)
    seed: int = 0

    @property
    def most_steps(self) -> int:
        """Steps that no round goes beyond."""
        return max(self.max_steps, self.trend.max_steps)
