"""The ranker's weights as all servers share them: a row in the database for each fit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, select

from adloom.loop.database.tables import rankers
from adloom.loop.pool.ranker import Weights


@dataclass(frozen=True)
class Fitted:
    """Weights, when they were fitted (aware, UTC), and the MLflow run that tells how; "" = none."""

    weights: Weights
    made_at: datetime
    run: str


def latest(engine: Engine) -> Fitted | None:
    """What serves; None where nothing was fitted: then `Weights()` does."""
    columns = rankers.c.weights, rankers.c.made_at, rankers.c.run
    query = select(*columns).order_by(rankers.c.number.desc()).limit(1)
    with engine.connect() as connection:
        row = connection.execute(query).first()
    return None if row is None else Fitted(Weights(**json.loads(row.weights)), row.made_at, row.run)


def put(engine: Engine, weights: Weights, run: str) -> None:
    """Let these serve from now on."""
    row = {"weights": json.dumps(weights.told()), "made_at": datetime.now(UTC), "run": run}
    with engine.begin() as connection:
        connection.execute(rankers.insert(), [row])
