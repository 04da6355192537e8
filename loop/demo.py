"""`adloom demo`: the whole loop on the demo shop, with simulated shoppers as the only fiction.

The simulator is a source of events and nothing else: its tastes never reach the loop.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image
from rich.console import Console

from loop import home
from loop.ad_card import finish_ad
from loop.ads import Ad, AdMaker, AdRequest, exposure
from loop.champion import Champion
from loop.creatives import Creative
from loop.demo_progress import Steps
from loop.demo_report import report_of
from loop.demo_run import DemoRun, Shown
from loop.report import write_report
from loop.settings import Settings
from loop.shop.catalog import load_catalog
from loop.shop.creatives import SeedCreative, seed_creatives
from loop.shop.simulator import Crowd, ShownAd
from loop.showcase import save_showcase
from loop.train_round import TrainingGround, train_round
from models.ad_generator import AdGenerator
from models.compose import cast_shadow
from stream.broker import running_broker
from stream.consumer import EventConsumer
from stream.events import Click, Impression
from stream.producer import EventProducer
from stream.settings import KafkaSettings
from stream.topics import topic_of

_DRAIN_SECONDS = 120.0


@dataclass(frozen=True)
class DemoPlan:
    """Size of a demo run."""

    rounds: int = 2
    shoppers: int = 60
    shop_ads: int = 360
    ads_per_round: int = 48
    seed: int = 0


class EventsLost(RuntimeError):
    """The consumer did not account for every produced event in time."""


def run_demo(settings: Settings, plan: DemoPlan, out: Path, console: Console) -> DemoRun:
    """Run the loop; write ``summary.json``, ``report.html``, ``showcase.png``, ``ads/*.png``.

    Raises:
        EventsLost: produced and consumed events do not add up.
    """
    started = time.monotonic()
    (out / "ads").mkdir(parents=True, exist_ok=True)
    run = DemoRun()
    with ExitStack() as parts:
        steps = parts.enter_context(Steps(console))
        with steps.step("Starting broker, stores, registry and generator"):
            loop = DemoLoop(settings, plan, parts)
        _warm_up(loop, run, steps)
        for number in range(1, plan.rounds + 1):
            _serve_round(loop, run, number, out, steps)
            _learn_round(loop, run, number, steps)
        _serve_round(loop, run, plan.rounds + 1, out, steps)
        _account(loop, run)
        run.seconds = time.monotonic() - started
        with steps.step("Writing the report"):
            report = report_of(run, loop.registry, loop.creatives, out)
            write_report(report, out / "report.html")
            save_showcase(report.stories, out / "showcase.png")
    (out / "summary.json").write_text(json.dumps(run.summary(), indent=2) + "\n")
    return run


class DemoLoop:
    """The loop's real parts, and the crowd that uses them."""

    def __init__(self, settings: Settings, plan: DemoPlan, parts: ExitStack) -> None:
        self.plan = plan
        self.kafka: KafkaSettings = parts.enter_context(running_broker(settings.kafka))
        self.features = parts.enter_context(home.open_features(settings))
        self.creatives = home.open_creatives(settings)
        parts.callback(self.creatives.close)
        self.registry = home.open_registry(settings)
        self.generator: AdGenerator = home.load_generator(settings)
        self.champion = Champion(self.generator, self.registry)
        self.maker = AdMaker(self.generator, self.features, self.creatives, settings.generator)
        self.ground = TrainingGround(settings, self.maker, self.features, self.registry)
        self.producer = parts.enter_context(EventProducer(self.kafka))
        self.consumer = parts.enter_context(_consuming(settings, self.kafka))
        self.crowd = Crowd.gathered(plan.shoppers, seed=plan.seed)

    def drain(self) -> None:
        """Wait until every produced event is accounted for.

        Raises:
            EventsLost: that took more than two minutes.
        """
        self.producer.flush()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while (seen := _accounted(self.consumer)) < self.producer.produced:
            if time.monotonic() > deadline:
                raise EventsLost(f"{self.producer.produced} events produced, {seen} accounted for")
            time.sleep(0.05)


@contextmanager
def _consuming(settings: Settings, kafka: KafkaSettings) -> Iterator[EventConsumer]:
    """A consumer at work beside the loop, with a connection of its own to the stores."""
    stop = threading.Event()
    with home.open_features(settings) as features:
        consumer = EventConsumer(kafka, features)
        thread = threading.Thread(target=consumer.run, args=(stop,), name="consumer", daemon=True)
        thread.start()
        try:
            yield consumer
        finally:
            stop.set()
            thread.join()
            consumer.close()


def _accounted(consumer: EventConsumer) -> int:
    counts = consumer.counts
    return counts.consumed + sum(counts.dead_letters.values())


def _warm_up(loop: DemoLoop, run: DemoRun, steps: Steps) -> None:
    """Two weeks of browsing the shop's own ads: the histories the generator reads."""
    ads = seed_creatives(loop.plan.shop_ads, seed=loop.plan.seed)
    with steps.step("Drawing the shop's own ads", total=len(ads)) as advance:
        pictures = []
        for ad in ads:
            pictures.append(ad.picture())
            advance(1, "")
        _keep_shop_ads(loop, ads, pictures)
    with steps.step("Streaming two weeks of browsing through Kafka into Feast"):
        events = loop.crowd.browse(ads, pictures, until=datetime.now(UTC) - timedelta(minutes=1))
        for event in events:
            loop.producer.send(event)
        _send_bad_events(loop)
        loop.drain()
    shown = sum(isinstance(e, Impression) for e in events)
    run.warm_up = shown, sum(isinstance(e, Click) for e in events)


def _keep_shop_ads(
    loop: DemoLoop, ads: Sequence[SeedCreative], pictures: Sequence[Image.Image]
) -> None:
    size = loop.generator.model.config.picture_size
    plates = [cast_shadow(ad.background(size), ad.product.cutout(), depth=0.06) for ad in ads]
    seen, drawn = loop.generator.encode_pictures(pictures), loop.generator.encode_pictures(plates)
    now = datetime.now(UTC)
    loop.creatives.add(
        Creative(
            ad_id=ad.ad_id,
            product_id=ad.product.product_id,
            title=ad.title,
            picture=loop.creatives.put_picture(picture),
            codes=codes,
            background_codes=background,
            variant="shop",
            version="",
            seed=ad.seed,
            served_at=now,
        )
        for ad, picture, codes, background in zip(ads, pictures, seen, drawn, strict=True)
    )


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


def _serve_round(loop: DemoLoop, run: DemoRun, number: int, out: Path, steps: Steps) -> None:
    """Shoppers visit products; each is drawn an ad, sees it, and may click."""
    visits = loop.crowd.visits(loop.plan.ads_per_round, round_number=number)
    catalog = load_catalog()
    requests = [
        AdRequest(visit.user_id, catalog[visit.product_id], seed=1_000 * number + i)
        for i, visit in enumerate(visits)
    ]
    serving = loop.champion.serving
    ads: list[Ad] = []
    label = f"Round {number}: version {serving.version} draws ads"
    with steps.step(label, total=len(requests)) as advance:
        for start in range(0, len(requests), loop.maker.settings.batch_size):
            batch = requests[start : start + loop.maker.settings.batch_size]
            with loop.champion.lock:
                ads += loop.maker.make(batch, serving)
            advance(len(batch), "")
    clicked = _show(loop, ads, number)
    for i, ad in enumerate(ads):
        file = f"round-{number}-{i:03d}-{ad.creative.product_id}.png"
        finish_ad(ad.picture, ad.creative.title).save(out / "ads" / file)
        run.shown.append(Shown(ad, number, file, ad.creative.ad_id in clicked))
    loop.drain()


def _show(loop: DemoLoop, ads: Sequence[Ad], number: int) -> set[str]:
    """Send exposures and the clicks that follow them; returns the clicked ads' ids."""
    shown = []
    for ad in ads:
        event = exposure(ad)
        loop.producer.send(event)
        shown.append(
            ShownAd(
                ad_id=ad.creative.ad_id,
                user_id=ad.request.user_id,
                product=ad.request.product,
                title=ad.creative.title,
                picture=ad.picture,
                shown_at=event.ts,
                variant=ad.creative.variant,
                propensity=1.0,
            )
        )
    clicks = loop.crowd.react(shown, round_number=number)
    for click in clicks:
        loop.producer.send(click)
    return {click.ad_id for click in clicks if click.ad_id}


def _learn_round(loop: DemoLoop, run: DemoRun, number: int, steps: Steps) -> None:
    """Fine-tune on the clicks so far; what passes the gate is promoted and serves next."""
    total = loop.ground.settings.fine_tune.max_steps
    with steps.step(f"Round {number}: LoRA learns from the clicks", total=total) as advance:
        outcome = train_round(
            loop.ground, force=True, on_step=lambda _, loss: advance(1, f"loss {loss:.2f}")
        )
    run.outcomes.append(outcome)
    if outcome.passed:
        loop.registry.promote(outcome.version)
        loop.champion.follow()


def _account(loop: DemoLoop, run: DemoRun) -> None:
    loop.drain()
    counts = loop.consumer.counts
    run.produced = loop.producer.produced
    run.consumed = counts.consumed
    run.dead_letters = Counter(counts.dead_letters)
    run.features_written = counts.features_written
    if run.consumed + sum(run.dead_letters.values()) != run.produced:
        raise EventsLost(f"{run.produced} events produced, {_accounted(loop.consumer)} accounted")
