"""The ranker's weights as all servers share them: a row in the database for each fit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, select

from adloom.loop.database.tables import rankers
from adloom.loop.pool.ranker import FEATURES, Weights


@dataclass(frozen=True)
class Fitted:
    """Weights, when they were fitted (aware, UTC), and the MLflow run that tells how; "" = none."""

    weights: Weights
    made_at: datetime
    run: str


def latest(engine: Engine) -> Fitted | None:
    """What serves; None where this release fitted nothing yet: then `Weights()` does."""
    columns = rankers.c.weights, rankers.c.made_at, rankers.c.run
    query = select(*columns).order_by(rankers.c.number.desc()).limit(1)
    with engine.connect() as connection:
        row = connection.execute(query).first()
    if row is None or (weights := _weights(json.loads(row.weights))) is None:
        return None
    return Fitted(weights, row.made_at, row.run)


def _weights(told: dict[str, float]) -> Weights | None:
    """None for those of a release that saw other things of an ad."""
    return Weights(**told) if told.keys() == set(FEATURES) else None


def put(engine: Engine, weights: Weights, run: str) -> None:
    """Let these serve from now on."""
    row = {"weights": json.dumps(weights.told()), "made_at": datetime.now(UTC), "run": run}
    with engine.begin() as connection:
        connection.execute(rankers.insert(), [row])
