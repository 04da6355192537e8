"""`adloom evaluate --data`: loads what is judged; what is wrong is told before an ad is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from adloom.loop.evaluation.contact_sheet import SheetRow
from adloom.loop.evaluation.dataset.arms import ARMS
from adloom.loop.evaluation.dataset.drawing import Drawer
from adloom.loop.evaluation.dataset.evaluate import DatasetPlan, Evaluation
from adloom.loop.evaluation.dataset.judge import Judge, TextAndPicture
from adloom.loop.evaluation.dataset.records import CannotJudge, judged_count, refuse_other_codebooks
from adloom.loop.evaluation.dataset.tally import Report, report
from adloom.loop.evaluation.dataset.title_rules import RecordTitles, learnt_words
from adloom.loop.home import load_generator, open_registry
from adloom.loop.learning.lineage import refuse_other_base
from adloom.loop.learning.versions import load_version
from adloom.loop.settings import Settings
from adloom.models.ad_generator import AdGenerator
from adloom.models.adapter_files import UnfitAdapter
from adloom.models.datasets.shards import Manifest, shard_files
from adloom.models.quality.clip import ClipScorer
from adloom.models.quality.encoders import load_encoder
from adloom.models.quality.inception import load_inception


@dataclass(frozen=True)
class Weights:
    """Files and folders that ads are judged with; None: without."""

    pbs: Path | None = None
    inception: Path | None = None
    clip: Path | None = None
    pick_score: Path | None = None


@dataclass(frozen=True)
class Judged:
    """What is judged: a base (None: that of the settings), or one of its adapters."""

    base: Path | None = None
    adapter: Path | None = None
    version: int | None = None
    weights: Weights = field(default_factory=Weights)


def evaluate_on_data(
    settings: Settings,
    judged: Judged,
    plan: DatasetPlan,
    seed: int,
    on_part: Callable[[float, int], None] = lambda part, ads: None,
) -> tuple[Report, list[SheetRow]]:
    """Judge on held-out records; the report, and rows for a contact sheet.

    ``on_part`` takes what is done, 0 to 1, and the number of ads.

    Raises:
        BadEncoder, BadScorer: weights to judge with cannot be used.
        BadShards, CannotJudge: the data set cannot be read, or not by this base.
        FileNotFoundError: the base is not there.
        CannotJudge, UnfitVersion, UnknownVersion: there is no such adapter of this base.
    """
    manifest = Manifest.load(plan.data)
    shard_files(plan.data)
    ads = judged_count(manifest, plan.records) * len(ARMS)
    device = settings.generator.device or ("cuda" if torch.cuda.is_available() else "cpu")
    judge = _judge(judged.weights, device)
    of_base = settings.generator.model_copy(
        update={} if judged.base is None else {"path": judged.base}
    )
    generator = load_generator(settings.model_copy(update={"generator": of_base}))
    adapter = _adapter(settings, judged, generator, of_base.path)
    refuse_other_codebooks(plan.data, manifest, generator)
    constrained = of_base.constrain_titles
    drawer = Drawer(
        generator,
        adapter,
        generator.sampling(of_base),
        RecordTitles(settings.titles, learnt_words(plan.data)) if constrained else None,
        min(of_base.history_items, generator.model.config.history_items),
        manifest.picture_size,
        seed,
    )
    done = 0

    def on_ads(count: int) -> None:
        nonlocal done
        done += count
        on_part(min(1.0, done / ads), done)

    tally, rows = Evaluation(drawer, judge, on_ads).run(plan)
    base = "bundled" if of_base.path is None else str(of_base.path)
    knows = judge.inception is not None
    return report(tally, base, _called(judged), inception=knows, seed=seed), rows


def _judge(weights: Weights, device: str) -> Judge:
    pbs = load_encoder(weights.pbs, device)
    with_name: dict[str, TextAndPicture] = {}
    if weights.clip is not None:
        with_name["clip_score"] = ClipScorer.clip_score(weights.clip, device)
    if weights.pick_score is not None:
        with_name["pick_score"] = ClipScorer.pick_score(weights.pick_score, device)
    inception = None if weights.inception is None else load_inception(weights.inception, device)
    return Judge(pbs, inception, with_name)


def _adapter(
    settings: Settings, judged: Judged, generator: AdGenerator, base: Path | None
) -> str | None:
    """The name of the adapter in the generator, loaded."""
    if judged.version is not None:
        registry = open_registry(settings)
        refuse_other_base(registry, generator, base)
        return load_version(generator, registry, registry.version(judged.version))
    if judged.adapter is not None:
        try:
            generator.load_adapter("judged", judged.adapter)
        except UnfitAdapter as error:
            told = f"{judged.adapter} does not fit {base or 'the bundled base'}: {error}"
            raise CannotJudge(told) from error
        return "judged"
    return None


def _called(judged: Judged) -> str | None:
    if judged.version is not None:
        return f"version {judged.version}"
    return None if judged.adapter is None else str(judged.adapter)
