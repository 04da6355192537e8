"""What MLflow keeps of a round: losses by step, its clicks, sample ads, the judgement, a card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from adloom.loop.catalogue.ad_card import finish_ad
from adloom.loop.learning.cards.clicks import clicks_datasets, summary
from adloom.loop.learning.cards.details import CARD_FILE
from adloom.loop.learning.cards.groups import judgement_by_group
from adloom.loop.learning.cards.judgement import JUDGEMENT_FILE
from adloom.loop.learning.cards.model_card import Lineage, description, model_card
from adloom.loop.learning.gate import objections
from adloom.loop.learning.judgement import Answer, GateVerdict
from adloom.loop.learning.registry import AdRegistry, Version
from adloom.loop.learning.rounds.plan import RoundClicks, RoundPlan
from adloom.loop.learning.training_set import ShownAd
from adloom.loop.learning.trial import JudgedAds, Trial, TrialAd, as_metrics
from adloom.models.training.fine_tune import FineTuneResult

_SAMPLES = 8
_CARD, _GAP, _HEAD = 220, 10, 34
_GROUND, _INK = "#f1efea", "#1b1c1f"
_COLUMNS = ("clicked", "champion", "challenger")
_GATE: dict[Answer, str] = {"better": "passed", "worse": "failed", "cannot_tell": "undecided"}


def record_start(registry: AdRegistry, plan: RoundPlan) -> None:
    """Log what is known before the round learns.

    That is ``data.json`` (window and Kafka offsets), and its clicks as datasets.
    What MLflow would not take at the end (values, files, a version) it does not take now: this is
    told before hours of training.

    Raises:
        RegistryUnavailable, RegistryRefused.
    """
    registry.expect(plan.run_id)
    registry.runs.log_dict(
        plan.run_id, {**_window(plan), "kafka_offsets": plan.offsets}, "data.json"
    )
    registry.runs.log_datasets(plan.run_id, clicks_datasets(_parts(plan.clicks)))


def record_round(
    registry: AdRegistry,
    plan: RoundPlan,
    result: FineTuneResult,
    ads: JudgedAds,
    champion: Trial,
    challenger: Trial,
    verdict: GateVerdict,
    model_config: Mapping[str, object],
    base: Mapping[str, str],
) -> Version:
    """Log all that the round did in its run, and register its version.

    The figures are the run's metrics and the version's tags. Artifacts: ``evaluation.json`` (a
    table, an ad a row), ``samples.png``, ``judgement.json``, ``model_card.md``. ``base`` are the
    tags that tell the version's base. Called again after a kill it registers nothing twice.
    """
    run, runs = plan.run_id, registry.runs
    runs.log_series(run, "train_loss", dict(enumerate(result.losses, start=1)))
    runs.log_series(run, "heldout_loss", {0: result.heldout_before, **dict(result.heldout)})
    figures = {
        "heldout_loss_before": champion.figures.heldout_loss,
        "heldout_loss_after": challenger.figures.heldout_loss,
        "train_clicks": float(len(plan.clicks.train)),
        "replayed_clicks": float(len(plan.clicks.replay)),
        "preference_pairs": float(len(plan.clicks.pairs)),
        "heldout_clicks": float(len(plan.clicks.heldout)),
        "judged_clicks": float(verdict.clicks),
        "judged_shoppers": float(verdict.shoppers),
        "clicks_beyond_share": float(sum(plan.clicks.beyond_share.values())),
        "clicks_unshown": float(plan.clicks.unshown),
        "best_step": float(result.best_step),
        "trend_items": float(result.trend_items),
        **as_metrics(champion.figures, challenger.figures),
        **{
            f"{finding.name}_{end}": getattr(finding, end)
            for finding in verdict.findings
            for end in ("difference", "low", "high")
            if math.isfinite(getattr(finding, end))
        },
    }
    runs.log_metrics(run, figures)
    if challenger.ads:
        runs.log_table(run, evaluation_table(champion.ads, challenger.ads), "evaluation.json")
        runs.log_picture(run, sample_sheet(champion.ads, challenger.ads), "samples.png")
    judgement = judgement_by_group(verdict, ads, champion, challenger)
    lineage = _lineage(registry, plan)
    card = model_card(lineage, judgement)
    runs.log_dict(run, judgement.model_dump(mode="json"), JUDGEMENT_FILE)
    runs.log_page(run, card, CARD_FILE)
    version = registry.register(
        run,
        adapter=result.adapter,
        model_config=model_config,
        tags={
            "parent": str(plan.parent),
            "round": str(plan.number),
            **base,
            "gate": _GATE[verdict.answer],
            "gate_objections": "; ".join(objections(verdict)),
            **_window(plan),
            **{name: f"{value:.6g}" for name, value in figures.items()},
        },
        description=description(lineage, verdict),
        card=card,
    )
    runs.end(run)
    return version


def _lineage(registry: AdRegistry, plan: RoundPlan) -> Lineage:
    logged = registry.logged.find(plan.run_id)
    return Lineage(
        round=plan.number,
        parent=plan.parent,
        base=plan.base or "",
        clicks=[summary(name, shown) for name, shown in _parts(plan.clicks).items() if shown],
        params={} if logged is None else logged.params,
    )


def _parts(clicks: RoundClicks) -> dict[str, Sequence[ShownAd]]:
    """By the names of their datasets."""
    return {
        "training clicks": clicks.train,
        "replayed clicks": clicks.replay,
        "choosing clicks": clicks.choose,
        "judging clicks": clicks.judge,
        "judging ads left": clicks.left,
    }


def _window(plan: RoundPlan) -> dict[str, str]:
    return {
        "clicks_from": plan.clicks.train[0].clicked_at.isoformat(),
        "clicks_until": plan.until.isoformat(),
    }


def evaluation_table(champion: Sequence[TrialAd], challenger: Sequence[TrialAd]) -> pd.DataFrame:
    """A row for each held-out click: what both made of it, and how near that came."""
    figures = ("title", "pbs", "valid_title")
    return pd.DataFrame(
        {
            "product": [ad.product_name for ad in champion],
            **{
                f"{name}_{figure}": [getattr(ad, figure) for ad in ads]
                for name, ads in (("champion", champion), ("challenger", challenger))
                for figure in figures
            },
        }
    )


def sample_sheet(champion: Sequence[TrialAd], challenger: Sequence[TrialAd]) -> Image.Image:
    """The first ads: the one that was clicked, and what champion and challenger drew for it."""
    rows = list(zip(champion, challenger, strict=True))[:_SAMPLES]
    card = finish_ad(Image.new("RGB", (_CARD, _CARD)), "").height
    size = (
        len(_COLUMNS) * (_CARD + _GAP) + _GAP,
        _HEAD + len(rows) * (card + _GAP),
    )
    sheet = Image.new("RGB", size, _GROUND)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(_COLUMNS):
        at = (_GAP + column * (_CARD + _GAP), 8)
        draw.text(at, name, font=ImageFont.load_default(size=16), fill=_INK)
    for row, (former, new) in enumerate(rows):
        cards = (
            finish_ad(former.clicked.resize((_CARD, _CARD)), former.product_name),
            finish_ad(former.picture.resize((_CARD, _CARD)), former.title),
            finish_ad(new.picture.resize((_CARD, _CARD)), new.title),
        )
        for column, ad in enumerate(cards):
            sheet.paste(ad, (_GAP + column * (_CARD + _GAP), _HEAD + row * (card + _GAP)))
    return sheet
