"""Versions as a round leaves them in MLflow, and as earlier releases did; no model is trained."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from mlflow import MlflowClient

from adloom.loop.learning.cards.clicks import clicks_datasets, summary
from adloom.loop.learning.cards.details import CARD_FILE
from adloom.loop.learning.cards.judgement import (
    JUDGEMENT_FILE,
    Compared,
    Group,
    Judgement,
    Measured,
)
from adloom.loop.learning.cards.model_card import Lineage, description, model_card
from adloom.loop.learning.judgement import Finding
from adloom.loop.learning.registry import AdRegistry
from adloom.loop.learning.training_set import ClickedAd

NAME = "adloom-ad-generator"
START = datetime(2026, 1, 2, tzinfo=UTC)


def clicked(n: int) -> list[ClickedAd]:
    """Clicks of three shoppers on as many ads of two products, a minute apart."""
    return [
        ClickedAd(
            f"ad-{i}",
            f"shopper-{i % 3}",
            f"item-{i % 2}",
            START + timedelta(minutes=i),
            START + timedelta(minutes=i, seconds=9),
        )
        for i in range(n)
    ]


def judgement() -> Judgement:
    """Better by what decides, by an interval; PBS of one shopper, so without an interval."""
    known, unknown = (0.02, 0.04), (-math.inf, math.inf)

    def compared(interval: tuple[float, float]) -> Compared:
        side = Measured(mean=0.03, low=interval[0], high=interval[1])
        return Compared(n=9, champion=side, challenger=side, difference=side)

    groups = (("all", ""), ("category", "tea | <b>"), ("language", "de"))
    return Judgement(
        answer="better",
        findings=(
            Finding(
                name="click_log_ratio",
                champion=0.1,
                challenger=0.13,
                difference=0.03,
                low=0.01,
                high=0.05,
                answer="better",
            ),
            Finding(
                name="pbs",
                champion=0.1,
                challenger=0.15,
                difference=0.05,
                low=-math.inf,
                high=math.inf,
                answer="cannot_tell",
            ),
        ),
        clicks=9,
        shoppers=3,
        groups=tuple(
            Group(
                by=by,
                name=name,
                clicks=9,
                shoppers=3,
                heldout_loss=compared(known),
                pbs=compared(unknown),
            )
            for by, name in groups
        ),
    )


def judged_version(registry: AdRegistry, *, parent: int, clicks: int, model: str = NAME) -> int:
    """A version of a run with all that a round logs, but for the model."""
    number, runs = parent + 1, registry.runs
    params = {"rank": 8, "clicks": clicks}
    run_id = runs.start(f"round {number}", params=params, tags={})
    shown = clicked(clicks)
    runs.log_datasets(run_id, clicks_datasets({"training clicks": shown, "judging clicks": []}))
    lineage = Lineage(number, parent, "tiny", [summary("training clicks", shown)], params)
    runs.log_dict(run_id, judgement().model_dump(mode="json"), JUDGEMENT_FILE)
    runs.log_page(run_id, model_card(lineage, judgement()), CARD_FILE)
    logged = registry.logged.find(run_id)
    assert logged is not None
    tags = {"parent": str(parent), "round": str(number), "gate": "passed", "adapter": "lora"}
    made = MlflowClient(registry.tracking_uri).create_model_version(
        model,
        logged.artifact_uri,
        run_id=run_id,
        tags=tags,
        description=description(lineage, judgement()),
    )
    return int(made.version)


def old_version(registry: AdRegistry) -> int:
    """As it was registered before versions had a description; its run was deleted for good."""
    tags = {
        "adapter": "lora",
        "parent": "1",
        "gate": "passed",
        "gate_objections": "",
        "clicks_from": "2026-01-01T00:00:00+00:00",
        "clicks_until": "2026-01-02T00:00:00+00:00",
        "champion_pbs": "0.1",
        "challenger_pbs": "0.2",
        "heldout_loss_before": "2.9",
        "heldout_loss_after": "2.8",
    }
    client = MlflowClient(registry.tracking_uri)
    made = client.create_model_version(NAME, "file:///nowhere", run_id="0" * 32, tags=tags)
    return int(made.version)
