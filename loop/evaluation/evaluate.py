"""`adloom evaluate`: is it the shopper's history that makes the ads fit, and which part of it?

The same shoppers, products and seeds are drawn for in every arm; only what the generator is told
of the shopper differs. Shoppers and products are held out (`adloom.loop.demo.shop.splits`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Column, Table

from adloom.loop.catalogue.briefs import brief
from adloom.loop.catalogue.histories.reading import AdOfHistory, HistoryReader, considered
from adloom.loop.demo.shop.catalog import catalog_vectors
from adloom.loop.demo.shop.copywriting import title_rules, write_title
from adloom.loop.demo.shop.creatives import SeedCreative
from adloom.loop.demo.shop.panel import PanelShopper, draw_panel
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.evaluation.contact_sheet import SheetRow
from adloom.loop.evaluation.intervals import Figure
from adloom.loop.evaluation.scores import AD_SIZE, Judge, ScoredAd
from adloom.loop.evaluation.sharpness import SIDE
from adloom.loop.home import load_generator
from adloom.loop.progress import Bars
from adloom.loop.settings import Settings
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief, AdDraft, Codes, HistoryAd
from adloom.models.compose import compose_ad
from adloom.models.quality.encoders import load_encoder
from adloom.models.retrieval import sampled
from adloom.models.settings import GeneratorSettings

DRAWN = ("full", "no_fine", "random_history", "other_shopper", "no_history")
"""The whole method; all history tokens kept; random instead of representative ads; the history
of somebody else; none."""
RENDERED = "rendered"
"""The look that the shopper clicks, rendered and written anew: the most that can be reached."""
ARMS = (*DRAWN, RENDERED)
CONDITIONS = {"clean": 0.0, "noisy": 0.4}
"""Share of clicks at random in the histories."""

_Read = tuple[SeedCreative, int]
"""A clicked ad that is read, and the rank of its title."""
Scores = dict[str, dict[str, dict[str, Figure]]]
"""Condition, arm, metric."""


@dataclass(frozen=True)
class EvaluationPlan:
    """How much is drawn: ads for ``shoppers`` shoppers with ``clicks`` clicks each, every arm."""

    shoppers: int = 96
    clicks: int = 24
    sheet_rows: int = 8
    seed: int = 0


class Evaluator:
    """Draws and scores arms; what they have in common is made once."""

    def __init__(
        self,
        generator: AdGenerator,
        judge: Judge,
        settings: GeneratorSettings,
        plan: EvaluationPlan,
        on_ads: Callable[[int], None] = lambda n: None,
    ) -> None:
        self._generator = generator
        self._judge = judge
        self._settings = settings
        self._plan = plan
        self._on_ads = on_ads
        self._vectors = catalog_vectors()
        self._codes: dict[SeedCreative, Codes] = {}
        self._reader = HistoryReader(generator.code_vectors)

    def run(self) -> tuple[Scores, list[SheetRow]]:
        """Scores of every condition and arm, and rows of the contact sheet (clean histories)."""
        scores: Scores = {}
        rows: list[SheetRow] = []
        same: dict[str, list[ScoredAd]] = {}  # in every condition: there is no noise in them
        for condition, noise in CONDITIONS.items():
            panel = draw_panel(
                self._plan.shoppers, clicks=self._plan.clicks, noise=noise, seed=self._plan.seed
            )
            clicked = [shopper.wanted.picture(AD_SIZE) for shopper in panel]
            if not same:
                same = {"no_history": self._ads("no_history", panel, clicked)}
                same[RENDERED] = [
                    _rendered(one.wanted, picture)
                    for one, picture in zip(panel, clicked, strict=True)
                ]
            ads = {
                arm: same[arm] if arm in same else self._ads(arm, panel, clicked) for arm in ARMS
            }
            scores[condition] = {
                arm: self._judge.scores(drawn, seed=self._plan.seed) for arm, drawn in ads.items()
            }
            rows = rows or self._sheet_rows(panel, ads)
        return scores, rows

    def _ads(
        self, arm: str, panel: Sequence[PanelShopper], clicked: Sequence[Image.Image]
    ) -> list[ScoredAd]:
        histories = [self._read(arm, panel, number) for number in range(len(panel))]
        drafts = self._draw(arm, panel, histories)
        return [
            ScoredAd(
                draft.title,
                self._generator.title_name(self._brief(shopper, ())),
                compose_ad(draft.background, shopper.wanted.product.cutout(), size=AD_SIZE),
                draft.background,
                shopper.wanted,
                picture,
            )
            for draft, shopper, picture in zip(drafts, panel, clicked, strict=True)
        ]

    def history(
        self, arm: str, panel: Sequence[PanelShopper], number: int
    ) -> tuple[SeedCreative, ...]:
        """The clicked ads that ``arm`` shows the generator for a shopper.

        Representatives come in the order of their agreement, random ones in that of their time.
        """
        return tuple(ad for ad, _ in self._read(arm, panel, number))

    def _read(self, arm: str, panel: Sequence[PanelShopper], number: int) -> list[_Read]:
        shopper, product = panel[number], panel[number].wanted.product
        if arm == "no_history":
            return []
        if arm == "other_shopper":
            shopper = panel[(number + 1) % len(panel)]
        if arm == "random_history":
            count = self._settings.history_items
            rng = random.Random(f"random history/{self._plan.seed}/{shopper.user_id}")
            positions = range(len(shopper.history))
            chosen = sorted(rng.sample(positions, min(count, len(positions))))
            return [(shopper.history[position], 0) for position in chosen]
        return self._representatives(product.product_id, shopper.history, shopper.clicked_at)

    def _representatives(
        self, product_id: str, ads: Sequence[SeedCreative], clicked_at: Sequence[datetime]
    ) -> list[_Read]:
        count, target = self._settings.history_items, self._vectors[product_id]
        clicked = np.stack([self._vectors[ad.product.product_id] for ad in ads])
        if self._settings.coarse == "similarity":
            return [(ads[position], 0) for position in sampled(target, clicked, count)]
        near = considered(target, clicked, clicked_at, count)
        codes = self._codes_of([ads[position] for position in near])
        told = [
            AdOfHistory(clicked[position], ads[position].title, ads[position].product, code)
            for position, code in zip(near, codes, strict=True)
        ]
        reading = self._reader.reading(target, told, count)
        places = zip(reading.pictures, reading.title_ranks, strict=True)
        return [(ads[near[position]], rank) for position, rank in places]

    def _codes_of(self, ads: Sequence[SeedCreative]) -> list[Codes]:
        new = [ad for ad in dict.fromkeys(ads) if ad not in self._codes]
        codes = self._generator.encode_history([ad.picture(AD_SIZE) for ad in new])
        self._codes.update(zip(new, codes, strict=True))
        return [self._codes[ad] for ad in ads]

    def _draw(
        self,
        arm: str,
        panel: Sequence[PanelShopper],
        histories: Sequence[Sequence[_Read]],
    ) -> list[AdDraft]:
        how = self._generator.sampling(self._settings)
        if arm == "no_fine":
            how = how.model_copy(update={"keep": 1.0})
        drafts: list[AdDraft] = []
        size = self._settings.batch_size
        for start in range(0, len(panel), size):
            briefs = [
                self._brief(shopper, history)
                for shopper, history in zip(
                    panel[start : start + size], histories[start : start + size], strict=True
                )
            ]
            seeds = range(start, start + len(briefs))
            drafts += self._generator.generate(briefs, seeds=seeds, sampling=how)
            self._on_ads(len(briefs))
        return drafts

    def _brief(self, shopper: PanelShopper, history: Sequence[_Read]) -> AdBrief:
        product = shopper.wanted.product
        codes = self._codes_of([ad for ad, _ in history])
        ads = [
            HistoryAd(ad.title, code, title_rank=rank)
            for (ad, rank), code in zip(history, codes, strict=True)
        ]
        rules = title_rules(product)
        return brief(product, ads, rules, constrained=self._settings.constrain_titles)

    def _sheet_rows(
        self, panel: Sequence[PanelShopper], ads: Mapping[str, Sequence[ScoredAd]]
    ) -> list[SheetRow]:
        return [
            SheetRow(
                panel[number].user_id,
                tuple(ad.picture(AD_SIZE) for ad in self.history("full", panel, number)),
                panel[number].wanted.product.cutout(),
                {arm: (drawn[number].picture, drawn[number].title) for arm, drawn in ads.items()},
            )
            for number in range(min(self._plan.sheet_rows, len(panel)))
        ]


def _rendered(clicked: SeedCreative, picture: Image.Image) -> ScoredAd:
    """Another ad of the shop's in the look of the clicked one, for the same product."""
    product = clicked.product
    title = write_title(product, clicked.look.tone, rng=random.Random(f"again/{clicked.ad_id}"))
    again = replace(clicked, title=title, seed=clicked.seed ^ 1)
    return ScoredAd(
        title, product.name, again.picture(AD_SIZE), again.background(SIDE), clicked, picture
    )


def run_evaluation(
    settings: Settings, plan: EvaluationPlan, pbs: Path | None, console: Console
) -> tuple[Scores, list[SheetRow]]:
    """Evaluate the generator of the settings; the scores, and rows for a contact sheet.

    Args:
        pbs: weights of the background encoder, of adloom's own or of MoCo v3; ``None`` is the
            bundled one.
        console: where progress is shown.

    Raises:
        FileNotFoundError: the generator or the background encoder is not there.
        BadEncoder: the file of the background encoder holds none.
    """
    judge = Judge(load_encoder(pbs), ScenePerception.fitted())
    with Bars(console) as progress:
        drawn = len(DRAWN) * len(CONDITIONS) - (len(CONDITIONS) - 1)  # no history: once
        total = plan.shoppers * drawn
        task = progress.add_task("Drawing ads", total=total)
        evaluator = Evaluator(
            load_generator(settings),
            judge,
            settings.generator,
            plan,
            lambda n: progress.advance(task, n),
        )
        return evaluator.run()


def as_json(scores: Scores) -> str:
    """``{condition: {arm: {metric: {mean, low, high}}}}``."""
    plain = {
        condition: {
            arm: {metric: asdict(figure) for metric, figure in figures.items()}
            for arm, figures in arms.items()
        }
        for condition, arms in scores.items()
    }
    return json.dumps(plain, indent=2)


def score_tables(scores: Scores) -> list[Table]:
    """One table a condition: a row an arm, a column a metric, means with their intervals."""
    tables = []
    for condition, arms in scores.items():
        metrics = list(next(iter(arms.values())))
        heads = (Column(metric, justify="right") for metric in metrics)
        table = Table("", *heads, title=f"{condition} histories", box=None)
        for arm, figures in arms.items():
            cells = [f"{f.mean:.2f} [dim]{f.low:.2f}…{f.high:.2f}[/]" for f in figures.values()]
            table.add_row(arm, *cells)
        tables.append(table)
    return tables
