"""Judges a base or an adapter on a data set's held-out records, some at a time.

Ads are scored as they are drawn: of a picture nothing is kept but its embeddings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adloom.loop.evaluation.contact_sheet import SheetRow
from adloom.loop.evaluation.dataset.arms import ARMS
from adloom.loop.evaluation.dataset.drawing import Drawer
from adloom.loop.evaluation.dataset.judge import Judge, JudgedAd, Seen
from adloom.loop.evaluation.dataset.records import OtherShoppers, heldout, in_batches
from adloom.loop.evaluation.dataset.tally import Tally
from adloom.models.datasets.record import AdRecord


@dataclass(frozen=True)
class DatasetPlan:
    """What is judged on: at most ``records`` held-out records of ``data`` (None: all of them)."""

    data: Path
    records: int | None = None
    batch: int = 16
    sheet_rows: int = 8


@dataclass(frozen=True)
class Evaluation:
    """Draws and judges."""

    drawer: Drawer
    judge: Judge
    on_ads: Callable[[int], None] = lambda count: None

    def run(self, plan: DatasetPlan) -> tuple[Tally, list[SheetRow]]:
        """All figures, and rows of the contact sheet.

        Raises:
            BadShards: the data set is not complete, or a shard is damaged.
        """
        tally, rows, somebody = Tally(), list[SheetRow](), OtherShoppers()
        seeds = 0
        for records in in_batches(heldout(plan.data, plan.records), plan.batch):
            wanted = plan.sheet_rows - len(rows)
            others = somebody.of(records)
            rows += self._judged(tally, records, others, range(seeds, seeds + len(records)), wanted)
            seeds += len(records)
        return tally, rows

    def _judged(
        self,
        tally: Tally,
        records: list[AdRecord],
        others: list[AdRecord | None],
        seeds: range,
        wanted: int,
    ) -> list[SheetRow]:
        """Draws for some records and notes what it is worth; the first ``wanted`` as rows."""
        size = self.drawer.size
        clicked = [record.opened_picture().resize((size, size)) for record in records]
        looked_at = self.judge.seen(clicked)
        tally.add_records(records, looked_at.features)
        shown: list[dict[str, JudgedAd]] = [{} for _ in records[:wanted]]
        for arm in ARMS:
            ads = self.drawer.ads(arm, records, others, seeds)
            drawn: Seen = self.judge.seen([ad.picture for ad in ads])
            tally.add_arm(arm, self.judge.values(ads, drawn, records, looked_at), drawn.features)
            for row, ad in zip(shown, ads, strict=False):
                row[arm] = ad
            self.on_ads(len(ads))
        return [
            self.drawer.sheet_row(record, picture, row)
            for record, picture, row in zip(records, clicked, shown, strict=False)
        ]
