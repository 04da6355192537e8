"""The clicks of a round as MLflow's datasets: when, how many, and a digest; nobody's id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
from pydantic import BaseModel, ConfigDict, ValidationError

from adloom.loop.learning.training_set import ClickedAd, ShownAd

_MOST_DIGITS = 32  # MLflow takes digests of at most 36 characters
_CONTEXTS = {
    "training clicks": "training",
    "replayed clicks": "training",
    "choosing clicks": "validation",
    "judging clicks": "test",
    "judging ads left": "test",
}


class LoggedClicks(BaseModel):
    """A dataset of a run, as far as it is known.

    Attributes:
        name: such as ``training clicks``; MLflow's users may log others.
        context: what for, such as ``training``.
        digest: the same for the same showings and clicks, in any order.
        num_rows: showings.
        shoppers: how many.
        products: how many.
        shown_from: of the first showing, UTC.
        shown_until: of the last one.
        clicked_until: of the last click; None where nothing was clicked.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    context: str = ""
    digest: str = ""
    num_rows: int | None = None
    shoppers: int | None = None
    products: int | None = None
    shown_from: datetime | None = None
    shown_until: datetime | None = None
    clicked_until: datetime | None = None


def clicks_datasets(parts: Mapping[str, Sequence[ShownAd]]) -> list[DatasetInput]:
    """A dataset for each part of a round's clicks that has any.

    ``parts`` are named ``training clicks``, ``replayed clicks``, ``choosing clicks``, ``judging
    clicks`` and ``judging ads left``.
    """
    return [_dataset(name, shown) for name, shown in parts.items() if shown]


def logged_clicks(inputs: Iterable[DatasetInput]) -> tuple[LoggedClicks, ...]:
    """What a run's datasets tell; of one that adloom did not log, its name, context and digest."""
    return tuple(_read(one) for one in inputs)


def summary(name: str, shown: Sequence[ShownAd]) -> LoggedClicks:
    """What is told of showings, of which there is at least one."""
    clicked = [ad.clicked_at for ad in shown if isinstance(ad, ClickedAd)]
    return LoggedClicks(
        name=name,
        context=_CONTEXTS[name],
        digest=_digest(shown),
        num_rows=len(shown),
        shoppers=len({ad.user_id for ad in shown}),
        products=len({ad.item_id for ad in shown}),
        shown_from=min(ad.shown_at for ad in shown),
        shown_until=max(ad.shown_at for ad in shown),
        clicked_until=max(clicked, default=None),
    )


def _dataset(name: str, shown: Sequence[ShownAd]) -> DatasetInput:
    told = summary(name, shown)
    columns = ["ad_id", "item_id", "shown_at"]
    if told.clicked_until is not None:
        columns.append("clicked_at")
    schema = [
        {"type": "datetime" if column.endswith("_at") else "string", "name": column}
        for column in columns
    ]
    # MLflow's general kind of source, since it knows none that is an event log.
    source = {"mlflow.source.name": "adloom train-round", "kafka_offsets": "data.json of the run"}
    return DatasetInput(
        Dataset(
            name=name,
            digest=told.digest,
            source_type="code",
            source=json.dumps({"tags": source}),
            schema=json.dumps({"mlflow_colspec": schema}),
            profile=told.model_dump_json(exclude={"name", "context", "digest"}),
        ),
        [InputTag(MLFLOW_DATASET_CONTEXT, told.context)],
    )


def _digest(shown: Sequence[ShownAd]) -> str:
    """Of ads and moments: who saw them is left out, and could be guessed from a hash of few."""
    rows = sorted(
        "\t".join(
            (
                ad.ad_id,
                ad.item_id,
                _utc(ad.shown_at),
                _utc(ad.clicked_at) if isinstance(ad, ClickedAd) else "",
            )
        )
        for ad in shown
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:_MOST_DIGITS]


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _read(given: DatasetInput) -> LoggedClicks:
    dataset = given.dataset
    tags = {tag.key: tag.value for tag in given.tags}
    known = {
        "name": dataset.name,
        "context": tags.get(MLFLOW_DATASET_CONTEXT, ""),
        "digest": dataset.digest,
    }
    try:
        told = json.loads(dataset.profile or "{}")
        return LoggedClicks.model_validate({**told, **known})
    except (ValueError, TypeError, ValidationError):
        return LoggedClicks.model_validate(known)
