"""The readers of the event log, each with a window that does not grow with the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adloom.feature_store.event_log import EventLog
from adloom.feature_store.settings import FeatureStoreSettings, LogSettings
from adloom.loop.bench.log.made import ARMS, END, EXPERIMENT, USERS, shopper
from adloom.loop.catalogue.creatives.store import SHOP, KnownAd
from adloom.loop.settings.experiments import Arm, Experiment
from adloom.loop.settings.learning import RoundSettings

if TYPE_CHECKING:
    from adloom.feature_store.store import FeatureStore

_WINDOW = timedelta(days=7)
_HISTORIES = 1_000
_ROUNDS = RoundSettings(max_examples=500)
_ATTRIBUTION = timedelta(hours=_ROUNDS.attribution_hours)


class _EveryAd:
    """Knows every ad of the log, as a store of creatives does."""

    def known_ads(self, ad_ids: Sequence[str]) -> dict[str, KnownAd]:
        return {ad_id: self._ad(ad_id) for ad_id in ad_ids}

    def _ad(self, ad_id: str) -> KnownAd:
        by, _, number = ad_id.partition("-")
        variant = SHOP if by == "shop" else "champion"
        return KnownAd(ad_id, f"item-{int(number) % 200}", "", "", variant, "", "")


def read_round(folder: Path) -> None:
    """The plan of a training round, the last one a week ago."""
    from adloom.loop.learning.rounds.events import round_events
    from adloom.loop.learning.rounds.plan import choose_clicks

    events = round_events(_log(folder), _EveryAd(), _ROUNDS, until=END)
    since = END - _WINDOW
    choose_clicks(events.rows, _ROUNDS, since=since, until=END, read_since=events.since)


def read_look(folder: Path) -> None:
    """A look of `train-round --watch`, the last round a week ago."""
    from adloom.loop.learning.rounds.events import round_events
    from adloom.loop.learning.rounds.plan import new_clicks

    since = END - _WINDOW
    events = round_events(_log(folder), _EveryAd(), _ROUNDS, until=END, back_to=since)
    new_clicks(events.rows, _ROUNDS, since=since, until=END)


def read_labels(folder: Path) -> None:
    """The showings of a week, labelled."""
    from adloom.loop.learning.labels import label_exposures

    columns = ("kind", "ts", "user_id", "item_id", "ad_id")
    events = _log(folder).read(since=END - _WINDOW, columns=columns)
    label_exposures(events, attribution=_ATTRIBUTION, until=END)


def read_histories(folder: Path) -> None:
    """Histories of a thousand shoppers as they were at moments of the last week."""
    rng = np.random.default_rng(0)
    users = rng.integers(USERS, size=_HISTORIES).tolist()
    ages = rng.random(_HISTORIES).tolist()
    moments = [(shopper(u), END - age * _WINDOW) for u, age in zip(users, ages, strict=True)]
    _features(folder).history_at(moments)


def read_studio(folder: Path) -> None:
    """The studio's page: thirty days of curves and shoppers."""
    from adloom.loop.serving.studio.curves import click_through_curves
    from adloom.loop.serving.studio.status import RecentEvents

    recent = RecentEvents(_log(folder), now=lambda: END)
    click_through_curves(recent.events(), _ATTRIBUTION, END)
    recent.shoppers("")


def read_report(folder: Path) -> None:
    """An experiment of a week in full, off-policy values too, and the four weeks before it."""
    from adloom.loop.experiments.reading.reading import read_experiment

    arms = {name: Arm() for name in ARMS}
    experiment = Experiment(arms=arms, start=END - _WINDOW, end=END)
    read_experiment(
        _log(folder),
        EXPERIMENT,
        experiment,
        attribution=_ATTRIBUTION,
        products=lambda ids: {},
    )


def read_streams(folder: Path) -> None:
    """Which streams there are, as a consumer asks when it begins."""
    _log(folder).streams()


READS: dict[str, Callable[[Path], None]] = {
    "round": read_round,
    "look": read_look,
    "labels": read_labels,
    "histories": read_histories,
    "studio": read_studio,
    "report": read_report,
    "streams": read_streams,
}
"""By name; each reads the log of the feature store in a folder."""


@cache
def _log(folder: Path) -> EventLog:
    return EventLog.under(LogSettings(), folder)


@cache
def _features(folder: Path) -> FeatureStore:
    from adloom.feature_store.store import FeatureStore

    return FeatureStore.open(FeatureStoreSettings(), folder)
