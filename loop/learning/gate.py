"""The gate: what a new version has to show before it may challenge the champion.

Both draw ads for the same held-out clicks with the same seeds. The challenger has to be better
at what shoppers clicked (loss), must not be shown to be worse at it (PBS of Uni-AdGen section
4.1, on the ads drawn: so few tell small differences from noise only where they are paired) and
must not fall on what users would notice first: titles that do not say what is sold, sameness,
slowness.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import ttest_rel

from adloom.loop.settings.learning import GateSettings
from adloom.models import codebook
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief, Example
from adloom.models.compose import compose_ad
from adloom.models.quality.background import PICTURE_SIZE, BackgroundEncoder, background_similarity
from adloom.models.sampling import Sampling
from adloom.models.titles.mentions import describes


@dataclass(frozen=True)
class GateFigures:
    """One version on held-out clicks.

    Attributes:
        heldout_loss: nats a token.
        pbs: mean cosine to the clicked ads' backgrounds, -1..1.
        pbs_by_ad: cosine of each ad, in the order of the clicks.
        invalid_titles: share of titles without product or selling point.
        diversity: mean of 1 - cosine over pairs of the drawn ads' backgrounds.
        steps_an_ad: of the engine, in which every ad is fed its next tokens; more of them is what
            makes a version slow, since a step costs the same with any adapter. Told of each ad, so
            it is the same on a machine that does other things.
        seconds_an_ad: wall clock, for whoever reads it; nothing is decided by it.
    """

    heldout_loss: float
    pbs: float
    invalid_titles: float
    diversity: float
    steps_an_ad: float
    seconds_an_ad: float
    pbs_by_ad: tuple[float, ...] = ()


@dataclass(frozen=True)
class TrialAd:
    """An ad that was drawn for a held-out click.

    ``pbs`` is its background's cosine to that of the ad that was clicked, ``clicked``.
    """

    product_name: str
    title: str
    picture: Image.Image
    clicked: Image.Image
    pbs: float
    valid_title: bool


@dataclass(frozen=True)
class Trial:
    """A version's figures, and the ads that they come from."""

    figures: GateFigures
    ads: tuple[TrialAd, ...]


def try_out(
    generator: AdGenerator,
    adapter: str | None,
    heldout: Sequence[Example],
    heldout_loss: float,
    *,
    sampling: Sampling,
    ads: int,
) -> Trial:
    """Draw for ``ads`` of the held-out clicks with ``adapter`` and look at the result.

    They are spread over all of them: the newest alone may be a few shoppers'.
    Without any the figures are unknown (nan), which no challenger passes with.
    """
    places = np.linspace(0, len(heldout) - 1, min(ads, len(heldout))).round().astype(int)
    chosen = [heldout[place] for place in places]
    if not chosen:
        unknown = float("nan")
        return Trial(GateFigures(heldout_loss, unknown, unknown, unknown, unknown, unknown), ())
    started = time.monotonic()
    drafts = generator.generate(
        [example.brief for example in chosen],
        seeds=range(len(chosen)),
        sampling=sampling,
        adapter=adapter,
    )
    seconds = time.monotonic() - started
    briefs = [example.brief for example in chosen]
    vq = generator.model.janus.model.vqmodel
    codes = torch.from_numpy(np.stack([example.codes for example in chosen])).long()
    clicked = _finished(codebook.to_pictures(codebook.decode(vq, codes)), briefs)
    drawn = _finished([draft.background for draft in drafts], briefs)
    encoder = BackgroundEncoder.from_pretrained()
    embedded = encoder.embed(drawn)
    similarity = background_similarity(embedded, encoder.embed(clicked))
    valid = [
        describes(draft.title, generator.title_name(brief), brief.selling_words)
        for draft, brief in zip(drafts, briefs, strict=True)
    ]
    figures = GateFigures(
        heldout_loss=heldout_loss,
        pbs=float(similarity.mean()),
        pbs_by_ad=tuple(similarity.tolist()),
        invalid_titles=1 - float(np.mean(valid)),
        diversity=_spread(embedded),
        steps_an_ad=float(np.mean([draft.steps for draft in drafts])),
        seconds_an_ad=seconds / len(chosen),
    )
    return Trial(
        figures,
        tuple(
            TrialAd(brief.product_name, draft.title, picture, wanted, float(pbs), true)
            for brief, draft, picture, wanted, pbs, true in zip(
                briefs, drafts, drawn, clicked, similarity, valid, strict=True
            )
        ),
    )


def objections(
    champion: GateFigures, challenger: GateFigures, settings: GateSettings
) -> tuple[str, ...]:
    """Why the challenger does not pass; empty where it does."""
    found = []
    if not champion.heldout_loss - challenger.heldout_loss > settings.min_loss_gain:
        found.append(
            f"held-out loss {challenger.heldout_loss:.3f}, the champion's is "
            f"{champion.heldout_loss:.3f}"
        )
    if _is_worse(challenger.pbs_by_ad, champion.pbs_by_ad, settings.pbs_confidence):
        found.append(f"PBS {challenger.pbs:.3f}, the champion's is {champion.pbs:.3f}")
    if challenger.invalid_titles > max(settings.max_invalid_titles, champion.invalid_titles):
        found.append(f"{challenger.invalid_titles:.0%} of its titles are invalid")
    if challenger.diversity < settings.min_diversity * champion.diversity:
        found.append(
            f"its scenes are alike: spread {challenger.diversity:.2f}, the champion's is "
            f"{champion.diversity:.2f}"
        )
    if challenger.steps_an_ad > settings.max_slowdown * champion.steps_an_ad:
        found.append(
            f"it is slow: {challenger.steps_an_ad:.0f} steps an ad, the champion takes "
            f"{champion.steps_an_ad:.0f}"
        )
    return tuple(found)


def as_metrics(champion: GateFigures, challenger: GateFigures) -> dict[str, float]:
    """Every figure of both by name."""
    return {
        f"{name}_{figure}": value
        for name, figures in (("champion", champion), ("challenger", challenger))
        for figure, value in asdict(figures).items()
        if figure != "pbs_by_ad"
    }


def _is_worse(ours: Sequence[float], theirs: Sequence[float], confidence: float) -> bool:
    """Whether a paired t-test over the ads finds ours lower; a few ads tell little apart."""
    if len(ours) < 2 or ours == theirs:
        return False
    return bool(ttest_rel(ours, theirs, alternative="less").pvalue < 1 - confidence)


def _finished(backgrounds: Sequence[Image.Image], briefs: Sequence[AdBrief]) -> list[Image.Image]:
    return [
        compose_ad(background, brief.cutout, size=PICTURE_SIZE)
        for background, brief in zip(backgrounds, briefs, strict=True)
    ]


def _spread(embedded: NDArray[np.float32]) -> float:
    n = len(embedded)
    if n < 2:
        return 0.0
    cosines = embedded @ embedded.T
    return float(1 - (cosines.sum() - np.trace(cosines)) / (n * (n - 1)))
