"""A small base, a data set for it, and trainings of a few steps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import Example
from adloom.models.datasets.record import AdRecord
from adloom.models.datasets.shards import Manifest, write_shard
from adloom.models.training.base.plan import BasePlan
from adloom.models.training.base.records import ShuffledRecords
from adloom.models.training.base.train import TrainingData, train_base
from adloom.models.training.learning_curve import LearningCurve
from tests.tiny_model import examples, tiny_generator

PLAN = BasePlan(
    stage="personal",
    steps=4,
    batch=2,
    precision="float32",
    checkpoint_every=1,
    evaluate_every=2,
    heldout=2,
    samples=0,
)


def clicked_shards(folder: Path, generator: AdGenerator, train: int = 6, heldout: int = 2) -> Path:
    """A complete data set of clicked ads in two shards."""
    folder.mkdir(parents=True)
    ads = examples(train + heldout)
    rows = [_record(n, ad, n < heldout) for n, ad in enumerate(ads)]
    for shard in range(2):
        write_shard(folder, shard, rows[shard::2])
    Manifest(
        codebook=generator.codebook_name,
        history_codebook=generator.history_codebook_name,
        picture_size=generator.model.config.picture_size,
        shards=2,
        records={"train": train, "heldout": heldout},
        complete=True,
    ).save(folder)
    return folder


def _record(number: int, ad: Example, heldout: bool) -> AdRecord:
    cutout = io.BytesIO()
    ad.brief.cutout.save(cutout, "PNG")
    return AdRecord(
        f"r{number}",
        "heldout" if heldout else "train",
        ad.brief.product_name,
        (ad.title,),
        cutout.getvalue(),
        b"",
        ad.codes,
        tuple(ad.brief.selling_words),
        history=ad.brief.history,
        likeness=tuple(0.5 for _ in ad.brief.history),
    )


class Silent:
    """Watches a training and says nothing."""

    def on_step(self, step: int, loss: float) -> None:
        """Nothing."""

    def on_look(
        self, curve: LearningCurve, generator: AdGenerator | None, heldout: Sequence[Example]
    ) -> None:
        """Nothing."""


def train_on(
    data: Path, plan: BasePlan, out: Path, generator: AdGenerator | None = None
) -> LearningCurve:
    """Train the tiny base, or ``generator``, in this process among those that a launcher began."""
    from accelerate import Accelerator

    records = TrainingData(
        ShuffledRecords(data, "train", seed=plan.seed),
        ShuffledRecords(data, "heldout", seed=plan.seed),
    )
    with_which = generator or tiny_generator()
    return train_base(with_which, records, plan, out, Accelerator(cpu=True), Silent())
