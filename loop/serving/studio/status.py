"""How the loop is doing: the stream, the rounds, the versions, the click-through curves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import BaseModel, Field

from adloom.loop.home import ROUNDS_FOLDER
from adloom.loop.learning.rounds.kept import RoundOutcome, outcomes
from adloom.loop.serving.studio.curves import Curve, click_through_curves
from adloom.loop.serving.studio.version_cards import Versions, versions_shown
from adloom.loop.settings.keys import STAFF, Role

if TYPE_CHECKING:
    from adloom.feature_store.event_log import EventLog
    from adloom.loop.serving.server import AdServer

_WINDOW = timedelta(days=30)
_RATE_WINDOW = timedelta(minutes=1)
_READ_EVERY_SECONDS = 4.0
_PAUSES = 10  # as long as the reading took, which ads wait for
_MOST_SHOPPERS = 500
_COLUMNS = ("kind", "ts", "user_id", "item_id", "ad_id", "variant")


class Stream(BaseModel):
    """Events of the last minute and in all of the last 30 days; lag and dead letters are those of
    this server's own consumer, null where `adloom consume` runs elsewhere."""

    events_per_second: float
    events: int
    lag: int | None
    dead_letters: dict[str, int] | None
    problem: str | None = Field(description="why events cannot be sent now")
    unread: str | None = Field(description="why nobody seems to consume what is sent")


class RoundSummary(BaseModel):
    """A finished round; losses are nats a token on held-out clicks."""

    number: int
    version: int
    train_clicks: int
    heldout_before: float
    heldout_after: float
    passed: bool
    objections: list[str]


class CatalogueState(BaseModel):
    """What there is to sell; ``revision`` grows with every change of it."""

    products: int
    revision: int
    problem: str | None = Field(description="why the feed of the settings cannot be read")


class LoopStatus(BaseModel):
    """All of it; ``key_needed`` tells whether the studio asks for a key, ``roles`` what the one
    that was sent may do.
    """

    stream: Stream
    catalogue: CatalogueState
    rounds: list[RoundSummary]
    registry: Versions
    serving: int = Field(description="the version that draws for shoppers here")
    curves: list[Curve]
    key_needed: bool
    roles: list[Role]


class Shopper(BaseModel):
    """A user of the event log."""

    user_id: str
    clicks: int
    last_click: datetime


class RecentEvents:
    """The log's last 30 days, read again after some seconds. Safe to use from several threads."""

    def __init__(
        self, log: EventLog, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._log, self._now = log, now
        self._lock = threading.Lock()
        self._due = 0.0
        self._events = pd.DataFrame()

    def events(self) -> pd.DataFrame:
        with self._lock:
            started = time.monotonic()
            if started >= self._due:
                self._events = self._log.read(since=self._now() - _WINDOW, columns=_COLUMNS)
                ended = time.monotonic()
                self._due = ended + max(_READ_EVERY_SECONDS, _PAUSES * (ended - started))
            return self._events

    def shoppers(self, search: str) -> list[Shopper]:
        """Users with clicks, the latest first, whose id holds the search text."""
        events = self.events()
        clicks = events[events["kind"] == "click"]
        if search:
            found = clicks["user_id"].str.contains(search, case=False, regex=False)
            clicks = clicks[found]
        users = clicks.groupby("user_id")["ts"].agg(["size", "max"])
        users = users.sort_values("max", ascending=False).head(_MOST_SHOPPERS)
        return [
            Shopper(user_id=str(user), clicks=int(size), last_click=last)
            for user, size, last in users.itertuples()
        ]


def loop_status(server: AdServer, recent: RecentEvents, roles: Collection[Role]) -> LoopStatus:
    """The state of the loop as this server sees it, for somebody of these roles."""
    events, settings = recent.events(), server.settings
    attribution = timedelta(hours=settings.rounds.attribution_hours)
    return LoopStatus(
        stream=_stream(server, events),
        catalogue=_catalogue(server),
        rounds=[_round(outcome) for outcome in outcomes(settings.home / ROUNDS_FOLDER)],
        registry=versions_shown(server.registry),
        serving=server.champion.serving.version,
        curves=click_through_curves(events, attribution, datetime.now(UTC)),
        key_needed=settings.serve.key_needed,
        roles=[role for role in STAFF if role in roles],
    )


def _stream(server: AdServer, events: pd.DataFrame) -> Stream:
    last_minute = events["ts"] >= pd.Timestamp(datetime.now(UTC) - _RATE_WINDOW)
    consumer = server.consumer
    return Stream(
        events_per_second=round(int(last_minute.sum()) / _RATE_WINDOW.total_seconds(), 2),
        events=len(events),
        lag=None if consumer is None else consumer.lag,
        dead_letters=None if consumer is None else dict(consumer.counts.dead_letters),
        problem=server.producer.problem,
        unread=_unread(server, events),
    )


def _unread(server: AdServer, events: pd.DataFrame) -> str | None:
    """Of a cluster; the group's members tell, or where they may not be asked, the log."""
    if server.consumer is not None:
        return None
    if notes := server.producer.notes:
        return notes[0]
    if events.empty and server.producer.problem is None:
        return "no event came into the log in the last 30 days"
    return None


def _catalogue(server: AdServer) -> CatalogueState:
    """As of now: what the page shows is what is drawn."""
    server.catalogue.follow()
    return CatalogueState(
        products=server.catalogue.count(),
        revision=server.catalogue.revision(),
        problem=server.refresh.problem,
    )


def _round(outcome: RoundOutcome) -> RoundSummary:
    return RoundSummary(
        number=outcome.number,
        version=outcome.version,
        train_clicks=outcome.train_clicks,
        heldout_before=outcome.heldout_before,
        heldout_after=outcome.heldout_after,
        passed=outcome.passed,
        objections=list(outcome.objections),
    )
