"""`adloom demo`: the whole loop on the demo shop, with simulated shoppers as the only fiction.

The simulator is a source of events and nothing else: its tastes never reach the loop. Shoppers
are dealt into two arms, the champion and the base that never learns, so that what learning is
worth can be read off the clicks.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from adloom.loop.catalogue.ad_card import finish_ad
from adloom.loop.catalogue.cards.calls import call_to_action
from adloom.loop.demo import business as demo_shop
from adloom.loop.demo.parts import (
    EXPERIMENT,
    DemoLoop,
    DemoPlan,
    EventsLost,
    demo_settings,
    write_settings,
)
from adloom.loop.demo.progress import Steps
from adloom.loop.demo.report.content import report_of
from adloom.loop.demo.report.page import write_report
from adloom.loop.demo.report.showcase import save_showcase
from adloom.loop.demo.run import DemoRun, Shown
from adloom.loop.demo.shop.simulator import ShownAd
from adloom.loop.experiments.report import report_experiment
from adloom.loop.learning.rounds.train import train_round
from adloom.loop.serving.exposures import exposure
from adloom.loop.serving.finished import Ad
from adloom.loop.settings import Settings
from adloom.loop.settings.private import as_the_user_shares


def run_demo(settings: Settings, plan: DemoPlan, out: Path, console: Console) -> DemoRun:
    """Run the loop.

    Writes ``summary.json``, ``report.html``, ``showcase.png``, ``ads/*.png`` and ``adloom.toml``
    (the settings to go on with).

    Raises:
        EventsLost: produced and consumed events do not add up.
    """
    started = time.monotonic()
    with as_the_user_shares():
        (out / "ads").mkdir(parents=True, exist_ok=True)
    settings = demo_settings(settings, datetime.now(UTC))
    write_settings(settings, out / "adloom.toml")
    run = DemoRun(drift_from=plan.drift_from if plan.drifts else None)
    with ExitStack() as parts:
        steps = parts.enter_context(Steps(console))
        with steps.step("Starting broker, stores, registry and generator"):
            loop = DemoLoop(settings, plan, parts)
        demo_shop.stock(loop, steps)
        demo_shop.warm_up(loop, run, steps)
        for number in range(1, plan.rounds + 2):
            demo_shop.browse(loop, number, steps)
            serve_round(loop, run, number, out, steps)
            if number <= plan.rounds:
                _learn_round(loop, run, number, steps)
        _account(loop, run)
        attribution = timedelta(hours=settings.rounds.attribution_hours)
        run.experiment = report_experiment(
            loop.features.log,
            EXPERIMENT,
            settings.experiments[EXPERIMENT],
            attribution=attribution,
            until=datetime.now(UTC) + attribution,  # its shoppers click at once, or never
        )
        run.seconds = time.monotonic() - started
        with steps.step("Writing the report"), as_the_user_shares():
            report = report_of(run, loop.registry, loop.creatives, out)
            write_report(report, out / "report.html")
            save_showcase(report.stories, out / "showcase.png")
    with as_the_user_shares():
        (out / "summary.json").write_text(json.dumps(run.summary(), indent=2) + "\n")
    return run


def serve_round(loop: DemoLoop, run: DemoRun, number: int, out: Path, steps: Steps) -> None:
    """Shoppers visit products; each is drawn an ad, sees it, and may click."""
    visits = loop.crowd.visits(loop.plan.ads_per_round, round_number=number)
    requests = [
        loop.request(visit.user_id, visit.product_id, seed=1_000 * number + i)
        for i, visit in enumerate(visits)
    ]
    ads: list[Ad] = []
    label = f"Round {number}: version {loop.champion.serving.version} draws ads"
    with steps.step(label, total=len(requests)) as advance:
        for start in range(0, len(requests), loop.maker.settings.batch_size):
            batch = requests[start : start + loop.maker.settings.batch_size]
            ads += loop.draw(batch)
            advance(len(batch), "")
    shown = _shown(loop, ads)
    chances = loop.crowd.chances(shown, round_number=number)
    clicks = loop.crowd.react(shown, round_number=number)
    for click in clicks:
        loop.producer.send(click)
    clicked = {click.ad_id for click in clicks}
    for i, (ad, chance) in enumerate(zip(ads, chances, strict=True)):
        file = f"round-{number}-{i:03d}-{ad.creative.product_id}.png"
        call = call_to_action(ad.request.product.language, {})
        with as_the_user_shares():
            finish_ad(ad.picture, ad.creative.title, call=call).save(out / "ads" / file)
        shopper = loop.crowd[ad.request.user_id]
        _, best = shopper.favourite(ad.request.product, number)
        run.shown.append(Shown(ad, number, file, ad.creative.ad_id in clicked, chance, best))
    loop.drain()


def _shown(loop: DemoLoop, ads: Sequence[Ad]) -> list[ShownAd]:
    """Send the exposures."""
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
                propensity=event.propensity,
            )
        )
    return shown


def _learn_round(loop: DemoLoop, run: DemoRun, number: int, steps: Steps) -> None:
    """Fine-tune on the clicks so far; what passes the gate is promoted and serves next."""
    total = loop.ground.fine_tune.most_steps
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
        raise EventsLost(f"{run.produced} events produced, {loop.accounted} accounted for")
