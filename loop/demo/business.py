"""The demo shop's own business: its ads, who looks at them, and what goes wrong on a bad day."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from PIL import Image

from adloom.loop.catalogue.intake.creatives.feeds import CreativeRow
from adloom.loop.catalogue.intake.creatives.importing import CreativeImporter, CreativeReport
from adloom.loop.catalogue.intake.feed import import_feed
from adloom.loop.catalogue.intake.picture_sources import PictureLinks
from adloom.loop.demo.parts import DemoLoop
from adloom.loop.demo.progress import Steps
from adloom.loop.demo.run import DemoRun
from adloom.loop.demo.shop.catalog import FEED, load_catalog
from adloom.loop.demo.shop.creatives import SeedCreative, seed_creatives
from adloom.loop.demo.shop.season import new_creatives
from adloom.models.compose import cast_shadow
from adloom.stream.events import Click, Impression
from adloom.stream.topics import topic_of

_BEFORE = timedelta(days=14)
_GLANCE = timedelta(seconds=0.2)
"""How long a shopper looks at an ad while a day is a minute."""


def stock(loop: DemoLoop, steps: Steps) -> None:
    """The shop's feed into the catalogue."""
    with steps.step("Importing the shop's product feed", total=len(load_catalog())) as advance:
        settings = loop.settings.catalog
        import_feed(
            loop.catalogue, str(FEED), settings, on_rows=lambda rows: advance(rows, "products")
        )


def warm_up(loop: DemoLoop, run: DemoRun, steps: Steps) -> None:
    """Two weeks of browsing the shop's own ads: the histories the generator reads."""
    _add_ads(loop, seed_creatives(loop.plan.shop_ads, seed=loop.plan.seed), steps)
    with steps.step("Streaming two weeks of browsing through Kafka into Feast"):
        until = datetime.now(UTC) - timedelta(minutes=1)
        events = loop.crowd.browse(
            loop.shop_ads, _seen(loop.shop_ads), since=until - _BEFORE, until=until
        )
        _send(loop, events)
        _send_bad_events(loop)
        loop.drain()
    shown = sum(isinstance(e, Impression) for e in events)
    run.warm_up = shown, sum(isinstance(e, Click) for e in events)
    loop.browsed_until = until


def browse(loop: DemoLoop, number: int, steps: Steps) -> None:
    """A day of the shop: new ads take the place of its oldest, and some shoppers look around."""
    plan = loop.plan
    new = new_creatives(
        plan.new_shop_ads,
        fashion=loop.fashion,
        follow=plan.designers_follow if plan.drifts else 0.0,
        round_number=number,
        seed=plan.seed,
    )
    _add_ads(loop, new, steps)
    with steps.step(f"Round {number}: shoppers look around the shop"):
        until = datetime.now(UTC)
        events = loop.crowd.browse(
            loop.shop_ads,
            _seen(loop.shop_ads),
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


def _seen(ads: Sequence[SeedCreative]) -> list[Image.Image]:
    """As large as a glance needs."""
    return [ad.picture(64) for ad in ads]


def _send(loop: DemoLoop, events: Sequence[Impression | Click]) -> None:
    for event in events:
        loop.producer.send(event)


def _add_ads(loop: DemoLoop, ads: Sequence[SeedCreative], steps: Steps) -> None:
    with steps.step("Drawing the shop's own ads", total=len(ads)) as advance:
        _keep(loop, ads, advance)
    loop.shop_ads = [*loop.shop_ads, *ads][-loop.plan.shop_ads :]


def _keep(loop: DemoLoop, ads: Sequence[SeedCreative], advance: Callable[[int, str], None]) -> None:
    """As `adloom creatives import` does, with pictures that are in no file."""
    size = loop.generator.model.config.picture_size

    def rows() -> Iterator[CreativeRow]:
        for ad in ads:
            plate = cast_shadow(ad.background(size), ad.product.cutout(), depth=0.06)
            yield CreativeRow(ad.ad_id, ad.product.product_id, ad.title, ad.picture(), plate)
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
