"""Reports of runs that nobody ran, for tests of the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from adloom.loop.catalogue.ad_card import finish_ad
from adloom.loop.demo.report.page import (
    AdStory,
    ArmShown,
    Change,
    Comparison,
    HistoryPicture,
    RoundClicks,
    RoundTraining,
    RunReport,
    VersionRow,
)
from adloom.loop.demo.shop.creatives import SeedCreative

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ALONE = Comparison([], [], 2, None, [], "")
LEARNT = Comparison(
    frozen=[None, 0.31, 0.12],
    oracle=[None, 0.5, 0.4],
    drift_from=2,
    recovered=0.74,
    arms=[
        ArmShown("frozen", 160, 30, 0.1875, 0.13, 0.26, ""),
        ArmShown("learning", 160, 61, 0.381, 0.31, 0.46, "+103%"),
    ],
    verdict="learning has the higher rate",
)


def story(made: SeedCreative, history: list[SeedCreative], title: str | None = None) -> AdStory:
    return AdStory(
        user_id="shopper-0001",
        product_name=made.product.name,
        title=title or made.title,
        card=finish_ad(made.picture(256), title or made.title),
        file=f"{made.ad_id}.png",
        version=2,
        round_number=1,
        clicked=True,
        history=tuple(HistoryPicture(ad.title, ad.picture(112)) for ad in history),
    )


def report(stories: list[AdStory]) -> RunReport:
    return RunReport(
        made_at=WHEN,
        seconds=312.0,
        events_produced=4_325,
        events_consumed=4_320,
        dead_letters={"not_json": 2, "future_timestamp": 3},
        ads_served=320,
        stories=stories,
        clicks=[
            RoundClicks("Shop", "no model", 3_000, 420),
            RoundClicks("Round 1", "version 1", 160, 52),
            RoundClicks("Round 2", "version 2", 160, 61),
        ],
        beside=LEARNT,
        trainings=[
            RoundTraining(1, 2, 40, 12, 4.21, 4.02, True, (), (5.1, 4.8, 4.4, 4.5, 4.1), 64.0),
            RoundTraining(
                2, 3, 81, 27, 4.05, 4.07, False, ("held-out loss 4.07",), (4.4, 4.2, 4.1), 61.0
            ),
        ],
        versions=[
            VersionRow(1, "", "base", (), WHEN, ""),
            VersionRow(2, "version 1", "passed", ("champion",), WHEN, "03:00 and 03:04"),
            VersionRow(3, "version 2", "failed", (), WHEN, "03:04 and 03:08"),
        ],
        next_commands=[("Serve ads", "ADLOOM_HOME=out/home adloom serve")],
    )


def changed(made: SeedCreative, history: Sequence[SeedCreative]) -> Change:
    card = finish_ad(made.picture(256), made.title)
    return Change(
        user_id="shopper-0001",
        product_name=made.product.name,
        history=tuple(HistoryPicture(ad.title, ad.picture(112), ("10", "01")) for ad in history),
        before=card,
        after=card,
        titles=(made.title, made.title),
        looks=(("beach", "warm colours"), ("forest", "cool blues", "plain voice")),
        chances=(0.04, 0.21),
        version=2,
    )
