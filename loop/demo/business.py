"""The demo shop's own business: its ads, who looks at them, and what goes wrong on a bad day."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from adloom.loop.catalogue.intake.creatives.feeds import CreativeRow
from adloom.loop.catalogue.intake.creatives.importing import CreativeImporter, CreativeReport
from adloom.loop.catalogue.intake.feed import import_feed
from adloom.loop.catalogue.intake.picture_sources import PictureLinks
from adloom.loop.demo.parts import DemoLoop
from adloom.loop.demo.progress import Advance, Steps
from adloom.loop.demo.run import DemoRun
from adloom.loop.demo.shop.catalog import FEED, load_catalog
from adloom.loop.demo.shop.creatives import SeedCreative, glance, seed_creatives
from adloom.loop.demo.shop.season import new_creatives
from adloom.models.compose import cast_shadow
from adloom.stream.events import Click, Impression
from adloom.stream.topics import topic_of

_BEFORE = timedelta(days=14)
_PAINTERS, _PAINTED_AHEAD = 2, 16  # a megabyte each
_THOUGHT = timedelta(seconds=4)
"""The longest that a shopper thinks about an ad before a click."""
_GLANCE = timedelta(seconds=0.2)
"""The same while a day is a minute."""


def stock(loop: DemoLoop, steps: Steps) -> None:
    """The shop's feed into the catalogue."""
    with steps.step("Importing the shop's product feed", total=len(load_catalog())) as advance:
        settings = loop.settings.catalog
        import_feed(
            loop.catalogue, str(FEED), settings, on_rows=lambda rows: advance(rows, "products")
        )


def warm_up(loop: DemoLoop, run: DemoRun, steps: Steps) -> None:
    """Two weeks of browsing the shop's own ads: the histories the generator reads."""
    until = run.moment("warm up") - timedelta(minutes=1)
    ads = first_ads(loop)
    _keep(loop, ads, steps, "Drawing the shop's own ads")
    loop.shop_ads = ads
    with steps.step("Streaming two weeks of browsing through Kafka into Feast"):
        events = loop.crowd.browse(
            ads, [glance(ad) for ad in ads], since=until - _BEFORE, until=until, thought=_THOUGHT
        )
        _send(loop, events)
        _send_bad_events(loop)
        loop.drain()
    shown = sum(isinstance(e, Impression) for e in events)
    run.warm_up = shown, sum(isinstance(e, Click) for e in events)
    loop.browsed_until = until


def browse(loop: DemoLoop, number: int, steps: Steps, until: datetime | None = None) -> None:
    """A day of the shop, up to a moment (now): new ads take the place of its oldest, and some
    shoppers look around."""
    plan, until = loop.plan, until or datetime.now(UTC)
    new = new_ads(loop, number)
    _keep(loop, new, steps, f"Round {number}: drawing the shop's new ads")
    loop.shop_ads = shown_after(loop, loop.shop_ads, new)
    with steps.step(f"Round {number}: shoppers look around the shop"):
        events = loop.crowd.browse(
            loop.shop_ads,
            [glance(ad) for ad in loop.shop_ads],
            since=loop.browsed_until,
            until=until,
            visits=plan.shop_visits,
            share=plan.browsing,
            round_number=number,
            thought=_GLANCE,
        )
        _send(loop, events)
        loop.drain()
    loop.browsed_until = until


def _send(loop: DemoLoop, events: Sequence[Impression | Click]) -> None:
    for event in events:
        loop.producer.send(event)


def first_ads(loop: DemoLoop) -> list[SeedCreative]:
    """The shop's ads of before adloom."""
    on_sale = None if loop.fashion is None else loop.fashion.on_sale(0)
    return seed_creatives(loop.plan.shop_ads, loop.plan.seed, on_sale)


def new_ads(loop: DemoLoop, number: int) -> list[SeedCreative]:
    """Those that the shop adds in a round."""
    plan = loop.plan
    return new_creatives(
        plan.new_shop_ads,
        fashion=loop.fashion,
        follow=plan.designers_follow,
        round_number=number,
        seed=plan.seed,
    )


def shown_after(
    loop: DemoLoop, shown: Sequence[SeedCreative], new: Sequence[SeedCreative]
) -> list[SeedCreative]:
    """What the shop shows once new ads have come: as many as before, the newest."""
    return [*shown, *new][-loop.plan.shop_ads :]


def _keep(loop: DemoLoop, ads: Sequence[SeedCreative], steps: Steps, label: str) -> None:
    """As `adloom creatives import` does, with pictures that are in no file."""
    with steps.step(label, total=len(ads)) as advance:
        _import(loop, ads, advance)


def _import(loop: DemoLoop, ads: Sequence[SeedCreative], advance: Advance) -> None:
    size = loop.generator.model.config.picture_size

    def row(ad: SeedCreative) -> CreativeRow:
        plate = cast_shadow(ad.background(size), ad.product.cutout(), depth=0.06)
        return CreativeRow(ad.ad_id, ad.product.product_id, ad.title, ad.picture(), plate)

    def rows() -> Iterator[CreativeRow]:
        with ThreadPoolExecutor(_PAINTERS) as painters:
            for start in range(0, len(ads), _PAINTED_AHEAD):
                for made in painters.map(row, ads[start : start + _PAINTED_AHEAD]):
                    yield made
                    advance(1, "")

    settings, report = loop.settings.catalog, CreativeReport()
    importer = CreativeImporter(
        loop.catalogue,
        loop.creatives,
        settings,
        PictureLinks(settings),
        lambda: loop.generator.pictures,
    )
    importer.take(rows(), report)
    assert not report.refused, report.refusals


def _send_bad_events(loop: DemoLoop) -> None:
    """What real producers send on a bad day; each must end in the dead letter with its reason."""
    good = {
        "event_id": "bad-day",
        "ts": datetime.now(UTC).isoformat(),
        "user_id": "shopper-0000",
        "item_id": "running-shoes",
    }
    future = (datetime.now(UTC) + timedelta(days=365)).isoformat()
    payloads = [
        b"not json at all",
        json.dumps({k: v for k, v in good.items() if k != "user_id"}).encode(),
        json.dumps(good | {"position": "third from the left"}).encode(),
        json.dumps(good | {"ts": future}).encode(),
        json.dumps(good | {"context": {"note": "x" * 70_000}}).encode(),
    ]
    for payload in payloads:
        loop.producer.send_payload(topic_of(loop.kafka, "click"), b"bad-day", payload)
