"""A base as version 1 of a registered model of its own, from which rounds of clicks go on."""

from __future__ import annotations

from pathlib import Path

from adloom.loop.bases.training.order import TRAINING, TrainingOrder
from adloom.loop.bases.training.tracked import training_run
from adloom.loop.learning.lineage import OtherBase, base_tags
from adloom.loop.learning.lineage_tags import BASE_NAME
from adloom.loop.learning.model_config import model_config
from adloom.loop.learning.registry import AdRegistry, Version
from adloom.models.ad_generator import AdGenerator
from adloom.models.settings import GeneratorSettings

TRAINED_ELSEWHERE = "trained_elsewhere"
"""Tag of a base that was trained by a run which this MLflow does not have: the run's id."""


def register_base(
    base: Path, registry: AdRegistry, name: str, drawing: GeneratorSettings
) -> Version:
    """Register ``base`` in the empty model ``name`` of the registry; again, it changes nothing.

    A base that was trained here belongs to the run that trained it, with losses and pictures. One
    whose run this MLflow does not have gets a run of its own and the tag `TRAINED_ELSEWHERE`.

    Raises:
        FileNotFoundError: ``base`` is none.
        OtherBase: the model has versions of another base.
    """
    tags = base_tags(AdGenerator.from_pretrained(base, "cpu"), base)
    found = registry.versions()
    if found and found[0].tags.get(BASE_NAME) != tags[BASE_NAME]:
        raise OtherBase(
            f"the model {name!r} has versions of another base: register this one under a name of "
            "its own (--name)"
        )
    run = None if found else training_run(base / TRAINING)
    if run is not None and not registry.runs.is_there(run):
        tags[TRAINED_ELSEWHERE], run = run, None
    registry.register_base(
        model_config(drawing.model_copy(update={"path": base})),
        run,
        **tags,
        **_came_from(base),
    )
    return registry.versions()[0]


def _came_from(base: Path) -> dict[str, str]:
    order = TrainingOrder.load(base)
    if order is None:
        return {}
    return {"parent_base": str(order.base), "data": str(order.data), "stage": order.plan.stage}
