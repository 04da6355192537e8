"""Draws the ads of all arms for some records: product and seeds are the same in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from adloom.loop.evaluation.contact_sheet import SheetRow
from adloom.loop.evaluation.dataset.arms import history
from adloom.loop.evaluation.dataset.judge import JudgedAd
from adloom.loop.evaluation.dataset.title_rules import RecordTitles
from adloom.models import codebook
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief, HistoryAd
from adloom.models.compose import compose_ad
from adloom.models.datasets.record import AdRecord
from adloom.models.sampling import Sampling

_SHOWN = 9
"""Ads of a history on the contact sheet."""


@dataclass(frozen=True)
class Drawer:
    """Draws with one adapter of a generator, or with its base.

    Attributes:
        adapter: its name in the generator; None is the base.
        sampling: how ads are drawn.
        titles: what titles may say; None sets no limit.
        history_items: ads of a history that the generator is told of at most.
        size: side in pixels of finished pictures.
    """

    generator: AdGenerator
    adapter: str | None
    sampling: Sampling
    titles: RecordTitles | None
    history_items: int
    size: int
    seed: int = 0

    def ads(
        self,
        arm: str,
        records: Sequence[AdRecord],
        others: Sequence[AdRecord | None],
        seeds: Sequence[int],
    ) -> list[JudgedAd]:
        """An ad a record; ``others`` are of somebody else each, see `OtherShoppers`."""
        how = self.sampling
        if arm == "no_fine":
            how = how.model_copy(update={"keep": 1.0})
        briefs = [
            self.brief(record, history(arm, record, other, self.history_items, seed=self.seed))
            for record, other in zip(records, others, strict=True)
        ]
        drafts = self.generator.generate(briefs, seeds=seeds, sampling=how, adapter=self.adapter)
        return [
            JudgedAd(
                draft.title,
                compose_ad(
                    draft.background,
                    brief.cutout,
                    brief.placement,
                    size=self.size,
                    shadow=self.generator.casts_shadow,
                ),
                self.generator.title_name(brief),
            )
            for brief, draft in zip(briefs, drafts, strict=True)
        ]

    def brief(self, record: AdRecord, told: tuple[HistoryAd, ...]) -> AdBrief:
        """What the generator is told, its title held to the product as it is when served."""
        brief = record.brief(told)
        if self.titles is None:
            return brief
        rules = self.titles.rules(record)
        return replace(brief, selling_words=rules.allowed(brief.selling_words), titles=rules)

    def sheet_row(
        self, record: AdRecord, clicked: Image.Image, ads: dict[str, JudgedAd]
    ) -> SheetRow:
        """A record on the contact sheet: its history in ``full``, the clicked ad, every arm."""
        read = history("full", record, None, self.history_items, seed=self.seed)[:_SHOWN]
        shown = {"clicked": (clicked, record.titles[0])}
        shown |= {arm: (ad.picture, ad.title) for arm, ad in ads.items()}
        return SheetRow(record.record_id, self._pictures(read), record.brief().cutout, shown)

    def _pictures(self, ads: Sequence[HistoryAd]) -> tuple[Image.Image, ...]:
        """What the generator sees of clicked ads: their codes, decoded."""
        if not ads:
            return ()
        codes = torch.from_numpy(np.stack([ad.codes for ad in ads])).long()
        vq = self.generator.model.janus.model.vqmodel
        return tuple(codebook.to_pictures(codebook.decode(vq, codes)))
