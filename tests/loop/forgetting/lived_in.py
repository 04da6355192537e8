"""A shop where things happened: clicks, drawn ads, a round; one of its shoppers is the canary."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adloom.feature_store.logged import EventKind, LoggedEvent
from adloom.feature_store.store import FeatureStore
from adloom.loop import home
from adloom.loop.catalogue.taking_over.pictures import take_over_pictures
from adloom.loop.catalogue.taking_over.take_over import take_over
from adloom.loop.learning.rounds.kept import RoundOutcome
from adloom.loop.learning.rounds.train import train_round
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.settings import Settings
from adloom.stream.events import Exposure
from tests.loop_parts import ad_maker, keep_shop_ads, tiny_settings, training_ground

_SHOWN_AND_CLICKED: tuple[tuple[EventKind, timedelta], ...] = (
    ("exposure", timedelta()),
    ("click", timedelta(milliseconds=500)),
)
CANARY = "canary/4711-Zo\u00eb"
OTHERS = ("bob", "cem", "dan")


def shop(folder: Path, **given: Any) -> Settings:
    """Settings of a shop with ads of its own."""
    settings = tiny_settings(folder, **given)
    take_over_pictures(settings.home, settings.pictures)  # a home of tests has all in itself
    take_over(settings.home, settings.database)
    with closing(home.open_creatives(settings)) as creatives:
        keep_shop_ads(creatives, 6)
    return settings


def clicks(settings: Settings, users: Sequence[str], ago: timedelta) -> list[LoggedEvent]:
    """Each user is shown each ad of the shop's own, and clicks it."""
    with closing(home.open_creatives(settings)) as creatives:
        ads = [ad for ad in creatives.page() if ad.variant == "shop"]
    shown = datetime.now(UTC) - ago
    return [
        LoggedEvent(
            kind,
            str(uuid.uuid4()),
            shown + timedelta(milliseconds=10 * number) + late,
            user,
            ad.product_id,
            f"adloom.{kind}s",
            0,
            0,
            "life",
            ad_id=ad.ad_id,
            variant="shop",
        )
        for number, ad in enumerate(ads)
        for user in users
        for kind, late in _SHOWN_AND_CLICKED
    ]


def drawn_for(settings: Settings, features: FeatureStore, user: str, seed: int) -> LoggedEvent:
    """An ad that adloom draws for a user, as it is shown."""
    maker = ad_maker(settings, features)
    product = maker.past_ads.catalogue.page(limit=1)[0].product
    [ad] = maker.make([AdRequest(user, product, seed)], Serving("champion", 1, None))
    made = ad.creative
    now = datetime.now(UTC) - timedelta(hours=1)
    return LoggedEvent(
        "exposure",
        str(uuid.uuid4()),
        now,
        user,
        made.product_id,
        "adloom.exposures",
        0,
        0,
        "life",
        ad_id=made.ad_id,
        variant=made.variant,
    )


def as_sent(event: LoggedEvent) -> Exposure:
    """The event as the ad server sends it."""
    names = ("event_id", "ts", "user_id", "item_id", "ad_id")
    return Exposure(**{name: getattr(event, name) for name in names})


def take(features: FeatureStore, events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
    """Events into log and features, as a consumer brings them; each has its own offset."""
    start = features.log.last_offset("adloom.exposures", "life", 0) or 0
    start = max(start, features.log.last_offset("adloom.clicks", "life", 0) or 0) + 1
    placed = [event._replace(offset=start + place) for place, event in enumerate(events)]
    features.apply(placed)
    features.log.append(placed)
    return placed


def learn(settings: Settings, features: FeatureStore) -> RoundOutcome:
    """A round of all clicks so far."""
    return train_round(training_ground(settings, features), force=True)
