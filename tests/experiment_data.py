"""Simulated exposures of an experiment, and definitions to judge them by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from loop.experiments.assignment import Allocation, assign
from loop.experiments.outcomes import Outcomes
from loop.experiments.settings import Experiment

START = datetime(2026, 1, 2, tzinfo=UTC)
RATE = 0.1
"""Mean click-through rate of the control."""


def experiment(**changes: Any) -> Experiment:
    """Two arms, half of the users each."""
    given: dict[str, Any] = {"start": START, "arms": {"control": {}, "other": {"guidance": 5.0}}}
    return Experiment.model_validate(given | changes)


def simulated(
    exposures: int,
    *,
    users: int,
    seed: int,
    lift: float = 0.0,
    real_shares: tuple[float, float] = (0.5, 0.5),
    rate: float = RATE,
) -> Outcomes:
    """Visits of shoppers who differ: some come often, some click often, most do neither.

    How often a shopper comes is log-normal, how readily one clicks Beta with mean `rate`; both are
    the shopper's own for ever, so that what one does is correlated. Shoppers are dealt by the
    real salted hash.

    Args:
        lift: relative rise of every click probability in the second arm.
        real_shares: what users are dealt by; the log says even shares whatever these are.
    """
    rng = np.random.default_rng(seed)
    eagerness = rng.beta(2.0, 2.0 / rate - 2.0, users)
    visits = rng.lognormal(sigma=1.0, size=users)
    who = rng.choice(users, exposures, p=visits / visits.sum())
    shares = Allocation(dict(zip(("control", "other"), real_shares, strict=True)))
    names = np.array([f"shopper-{number}" for number in range(users)])
    in_other = np.array(
        [assign("trial", f"salt-{seed}", name, shares).variant == "other" for name in names]
    )
    chance = np.minimum(1.0, eagerness * np.where(in_other, 1 + lift, 1.0))
    _, first, codes = np.unique(who, return_index=True, return_inverse=True)
    seen = np.argsort(np.argsort(first))[codes]  # numbered by when they were first seen
    unknown = np.full(exposures, np.nan)
    return Outcomes(
        arms=("control", "other"),
        arm=in_other[who].astype(np.int64),
        user=seen,
        item=rng.integers(0, 20, exposures),
        deal=seen,
        clicked=rng.random(exposures) < chance[who],
        propensity=np.full(exposures, 0.5),
        shares=np.full((exposures, 2), 0.5),
        seconds=unknown,
        drawn_together=np.zeros(exposures, np.int64),
        invalid_title=unknown,
        version=np.ones(exposures, np.int64),
    )
