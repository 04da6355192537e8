"""Trying a version out: what it makes of the clicks that are kept for the gate.

Champion and challenger tell how likely they find the same ads, and draw for the same clicks with
the same seeds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from adloom.loop.learning.clicked_over_left import Contrasts
from adloom.models import codebook
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief, AdDraft, Example
from adloom.models.compose import compose_ad
from adloom.models.quality.background import PICTURE_SIZE, BackgroundEncoder, background_similarity
from adloom.models.sampling import Sampling
from adloom.models.titles.mentions import describes
from adloom.models.training.example_loss import log_likelihoods


@dataclass(frozen=True)
class JudgedAds:
    """What the gate alone reads.

    Attributes:
        clicked: clicked ads, oldest first.
        clicked_by: the shopper of each.
        left: ads that some of these shoppers left meanwhile.
        left_by: the shopper of each.
        late: places in ``clicked`` of those that are held against no left ads.
    """

    clicked: Sequence[Example]
    clicked_by: Sequence[str]
    left: Sequence[Example] = ()
    left_by: Sequence[str] = ()
    late: frozenset[int] = frozenset()

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each clicked ad counts in held-out losses, ``(clicked,)``, as in training."""
        return np.array([example.weight for example in self.clicked], dtype=np.float64)

    @property
    def compared(self) -> Contrasts:
        """Clicked against left; places count the clicked ads first, then the left ones."""
        late = np.isin(np.arange(len(self.clicked)), list(self.late))
        nobody = np.where(late, "", np.asarray(self.clicked_by, dtype=str))
        shoppers = [*map(str, nobody), *self.left_by]
        return Contrasts.of(shoppers, [True] * len(self.clicked) + [False] * len(self.left))


@dataclass(frozen=True)
class GateFigures:
    """One version on the clicks to judge by.

    Attributes:
        heldout_loss: nats a token.
        pbs: mean cosine to the clicked ads' backgrounds, -1..1.
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


@dataclass(frozen=True)
class TrialAd:
    """An ad that was drawn for a click to judge by.

    ``pbs`` is its background's cosine to that of the ad that was clicked, ``clicked``; ``spread``
    is the mean of 1 - cosine to the other drawn ads' backgrounds; ``steps`` are the engine's;
    ``place`` is that of the click in ``JudgedAds.clicked``.
    """

    product_name: str
    title: str
    picture: Image.Image
    clicked: Image.Image
    pbs: float
    valid_title: bool
    shopper: str
    spread: float
    steps: int
    place: int = 0


@dataclass(frozen=True)
class Trial:
    """A version's figures and what they come from.

    ``scores`` are the log-likelihoods of the clicked ads, then of the left ones, nats a token,
    shape ``(clicked + left,)``.
    """

    figures: GateFigures
    ads: tuple[TrialAd, ...]
    scores: NDArray[np.float64]


def try_out(
    generator: AdGenerator,
    adapters: Sequence[str | None],
    judged: JudgedAds,
    *,
    sampling: Sampling,
    ads: int,
    batch_size: int,
) -> list[Trial]:
    """Look at all judged ads with each of ``adapters``, and draw for ``ads`` of the clicked ones.

    These are spread over all of them: the newest alone may be a few shoppers'. All are drawn in
    one running batch. Without any the figures are unknown (nan).
    """
    scores = [_scores(generator, adapter, judged, batch_size) for adapter in adapters]
    if not judged.clicked:
        unknown = GateFigures(*[float("nan")] * 6)
        return [Trial(unknown, (), of_adapter) for of_adapter in scores]
    places = _spread_over(len(judged.clicked), ads)
    started = time.monotonic()
    drafts = _drafts(
        generator, adapters, [judged.clicked[place].brief for place in places], sampling
    )
    seconds = (time.monotonic() - started) / (len(places) * len(adapters))
    clicked = _Clicked.of(generator, [judged.clicked[place] for place in places])
    drawn = [_looked_at(generator, judged, places, clicked, one) for one in drafts]
    return [
        Trial(_figures(of_adapter, judged.weights, ads_of, seconds), ads_of, of_adapter)
        for of_adapter, ads_of in zip(scores, drawn, strict=True)
    ]


def _drafts(
    generator: AdGenerator,
    adapters: Sequence[str | None],
    briefs: Sequence[AdBrief],
    sampling: Sampling,
) -> list[list[AdDraft]]:
    """Of each adapter one a brief, with the same seeds."""
    started = [
        [
            generator.start(brief, seeds=[seed], sampling=sampling, adapter=adapter)
            for seed, brief in enumerate(briefs)
        ]
        for adapter in adapters
    ]
    generator.finish([future for of_adapter in started for future in of_adapter])
    return [
        [
            generator.draft(future.result()[0], brief)
            for future, brief in zip(of_adapter, briefs, strict=True)
        ]
        for of_adapter in started
    ]


def _figures(
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    drawn: Sequence[TrialAd],
    seconds: float,
) -> GateFigures:
    return GateFigures(
        heldout_loss=-float(np.average(scores[: len(weights)], weights=weights)),
        pbs=float(np.mean([ad.pbs for ad in drawn])),
        invalid_titles=1 - float(np.mean([ad.valid_title for ad in drawn])),
        diversity=float(np.mean([ad.spread for ad in drawn])),
        steps_an_ad=float(np.mean([ad.steps for ad in drawn])),
        seconds_an_ad=seconds,
    )


def as_metrics(champion: GateFigures, challenger: GateFigures) -> dict[str, float]:
    """Every figure of both by name."""
    return {
        f"{name}_{figure}": value
        for name, figures in (("champion", champion), ("challenger", challenger))
        for figure, value in asdict(figures).items()
    }


def _scores(
    generator: AdGenerator, adapter: str | None, judged: JudgedAds, batch_size: int
) -> NDArray[np.float64]:
    active = generator.active
    generator.activate(adapter)
    try:
        found = log_likelihoods(generator, [*judged.clicked, *judged.left], batch_size)
    finally:
        generator.activate(active)
    return np.array(found, dtype=np.float64)


def _spread_over(all_of: int, wanted: int) -> list[int]:
    places: list[int] = np.linspace(0, all_of - 1, min(wanted, all_of)).round().astype(int).tolist()
    return places


@dataclass(frozen=True)
class _Clicked:
    """The clicked ads that were drawn for: as pictures, and embedded."""

    pictures: list[Image.Image]
    embedded: NDArray[np.float32]

    @classmethod
    def of(cls, generator: AdGenerator, examples: Sequence[Example]) -> _Clicked:
        """From their codes."""
        vq = generator.model.janus.model.vqmodel
        codes = torch.from_numpy(np.stack([example.codes for example in examples])).long()
        pictures = codebook.to_pictures(codebook.decode(vq, codes))
        briefs = [example.brief for example in examples]
        found = _finished(pictures, briefs, generator.casts_shadow)
        return cls(found, _encoder().embed(found))


@cache
def _encoder() -> BackgroundEncoder:
    return BackgroundEncoder.from_pretrained()


def _looked_at(
    generator: AdGenerator,
    judged: JudgedAds,
    places: Sequence[int],
    clicked: _Clicked,
    drafts: Sequence[AdDraft],
) -> tuple[TrialAd, ...]:
    """Each draft beside the ad that was clicked."""
    briefs = [judged.clicked[place].brief for place in places]
    drawn = _finished([draft.background for draft in drafts], briefs, generator.casts_shadow)
    embedded = _encoder().embed(drawn)
    similarity = background_similarity(embedded, clicked.embedded)
    spread = _spread(embedded)
    return tuple(
        TrialAd(
            product_name=brief.product_name,
            title=draft.title,
            picture=drawn[n],
            clicked=clicked.pictures[n],
            pbs=float(similarity[n]),
            valid_title=describes(draft.title, generator.title_name(brief), brief.selling_words),
            shopper=judged.clicked_by[places[n]],
            spread=float(spread[n]),
            steps=draft.steps,
            place=places[n],
        )
        for n, (brief, draft) in enumerate(zip(briefs, drafts, strict=True))
    )


def _finished(
    backgrounds: Sequence[Image.Image], briefs: Sequence[AdBrief], shadow: bool
) -> list[Image.Image]:
    return [
        compose_ad(background, brief.cutout, brief.placement, size=PICTURE_SIZE, shadow=shadow)
        for background, brief in zip(backgrounds, briefs, strict=True)
    ]


def _spread(embedded: NDArray[np.float32]) -> NDArray[np.float64]:
    """Each ad's mean of 1 - cosine to the others, 0 where there are none; shape ``(n,)``."""
    n = len(embedded)
    if n < 2:
        return np.zeros(n)
    cosines = embedded.astype(np.float64) @ embedded.T
    return 1 - (cosines.sum(1) - np.diag(cosines)) / (n - 1)
