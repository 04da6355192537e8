"""Weights of the ranker by a fit on logged choices: what it saw of an ad, and was it clicked.

What the ranker saw is in the exposure itself, so nothing of it is made again and nothing can leak
from later. Held out are the newest choices.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adloom.feature_store.event_log import EventLog
from adloom.loop.learning.labels import label_exposures
from adloom.loop.pool.ranker import FEATURES, Weights

_COLUMNS = ("kind", "ts", "user_id", "item_id", "ad_id", "context")
FEWEST_CHOICES, FEWEST_CLICKS = 200, 20
_HELD_OUT = 0.2
_REGULARISATION = 1.0
_LEAST_SPREAD = 0.01  # of a feature: what hardly differs between choices teaches nothing
_LARGEST = 1e3  # of a feature that was logged: beyond it the event is none of adloom's


class TooFewChoices(RuntimeError):
    """There is not enough to learn from; the message says what there is and what to do."""


@dataclass(frozen=True)
class Choices:
    """Showings of chosen ads whose window is closed, in order of time.

    Attributes:
        features: float64, shape (n, 4), in the order of `FEATURES`.
        clicked: bool, shape (n,).
        waiting: further choices whose window is open: they may still be clicked.
        closes_at: when the last of these windows closes; None where none is open.
    """

    features: NDArray[np.float64]
    clicked: NDArray[np.bool_]
    waiting: int = 0
    closes_at: datetime | None = None

    def __len__(self) -> int:
        return len(self.clicked)


@dataclass(frozen=True)
class Fit:
    """Weights, and log loss (nats) of the held-out choices: by them, by those before, by none."""

    weights: Weights
    choices: int
    clicks: int
    held_out: int
    log_loss: float
    log_loss_before: float
    log_loss_of_rate: float

    @property
    def refusal(self) -> str | None:
        """Why they had better not serve; None where they may.

        What foretells clicks no better than one rate for all ads only shuffles them.
        """
        if self.log_loss >= self.log_loss_of_rate:
            return "they foretell the newest choices no better than one rate for all ads"
        if self.log_loss > self.log_loss_before:
            return "they foretell the newest choices less well than those before"
        return None


def logged_choices(
    log: EventLog, *, since: datetime, until: datetime, attribution: timedelta
) -> Choices:
    """Choices of the pool in the log with since <= shown < until - attribution, and how many wait.

    Raises LogUnavailable, LogDamaged.
    """
    events = log.read("exposure", "click", since=since, until=until, columns=_COLUMNS)
    shown = label_exposures(events, attribution=attribution, until=until, kinds=("exposure",))
    closed = shown["shown_at"] < until - attribution
    rows = _told(shown[closed])
    waiting = _told(shown[~closed])
    features = np.array([row for row, _, _ in rows], np.float64).reshape(-1, len(FEATURES))
    return Choices(
        features,
        np.array([clicked for _, clicked, _ in rows], bool),
        len(waiting),
        max((at + attribution for _, _, at in waiting), default=None),
    )


def fitted(choices: Choices, before: Weights) -> Fit:
    """A logistic regression on them. Raises TooFewChoices."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    clicks = int(choices.clicked.sum())
    held_out = int(len(choices) * _HELD_OUT)
    train = slice(0, len(choices) - held_out)
    if len(choices) < FEWEST_CHOICES or clicks < FEWEST_CLICKS:
        raise TooFewChoices(
            f"{len(choices)} choices with {clicks} clicks can be learnt from, {FEWEST_CHOICES} "
            f"with {FEWEST_CLICKS} are needed: {_what_to_do(choices)}"
        )
    if len(set(choices.clicked[train].tolist())) < 2:
        raise TooFewChoices("all older choices were clicked, or none: there is nothing to tell")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_REGULARISATION))
    model.fit(choices.features[train], choices.clicked[train])
    told = np.where(model[0].var_ < _LEAST_SPREAD**2, 0.0, model[1].coef_[0] / model[0].scale_)
    weights = Weights(**dict(zip(FEATURES, told.tolist(), strict=True)))
    rate = float(choices.clicked[train].mean())
    newest = Choices(choices.features[-held_out:], choices.clicked[-held_out:])
    older = Choices(choices.features[train], choices.clicked[train])
    return Fit(
        weights,
        len(choices),
        clicks,
        held_out,
        log_loss=_loss(weights, older, newest),
        log_loss_before=_loss(before, older, newest),
        log_loss_of_rate=_nats(np.full(held_out, rate), newest.clicked),
    )


def _what_to_do(choices: Choices) -> str:
    longer = "serve with a deadline for longer, or read more (--days)"
    if choices.closes_at is None:
        return longer
    return (
        f"{choices.waiting} more may still be clicked, the last until "
        f"{choices.closes_at:%Y-%m-%d %H:%M} UTC (rounds.attribution_hours): wait, or {longer}"
    )


def _loss(weights: Weights, older: Choices, newest: Choices) -> float:
    """Of the newest; how high rates are at all is taken from the older, since it ranks nothing."""
    from scipy.optimize import brentq

    scores, rate = older.features @ weights.array(), older.clicked.mean()

    def too_many(offset: float) -> float:
        return float((1 / (1 + np.exp(-(scores + offset)))).mean() - rate)

    reach = float(np.abs(scores).max()) + 20
    offset = brentq(too_many, -reach, reach)
    return _nats(1 / (1 + np.exp(-(newest.features @ weights.array() + offset))), newest.clicked)


def _nats(chance: NDArray[np.float64], clicked: NDArray[np.bool_]) -> float:
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    return float(-np.where(clicked, np.log(chance), np.log(1 - chance)).mean())


def _told(shown: pd.DataFrame) -> list[tuple[list[float], bool, datetime]]:
    """What the ranker saw of each choice, whether it was clicked, and when it was shown."""
    found = []
    columns = shown["context"], shown["clicked_at"].notna(), shown["shown_at"]
    for context, was_clicked, at in zip(*columns, strict=True):
        choice = json.loads(context or "{}").get("choice")
        if not isinstance(choice, dict):
            continue
        row = [choice.get(name) for name in FEATURES]
        if all(isinstance(value, int | float) and abs(value) < _LARGEST for value in row):
            found.append(([float(value or 0) for value in row], bool(was_clicked), at))
    return found
