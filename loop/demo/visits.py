"""A round of visits: each shopper is drawn an ad, sees it, and may click."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adloom.loop.catalogue.ad_card import finish_ad
from adloom.loop.catalogue.cards.calls import call_to_action
from adloom.loop.demo.ideal import IdealReader
from adloom.loop.demo.kept import ADS
from adloom.loop.demo.parts import DemoLoop
from adloom.loop.demo.progress import Steps
from adloom.loop.demo.reading import what_was_read
from adloom.loop.demo.run import DemoRun, Drawn, Shown
from adloom.loop.demo.shop.simulator import ShownAd
from adloom.loop.serving.exposures import exposure
from adloom.loop.serving.finished import Ad
from adloom.loop.settings.private import as_the_user_shares

_BETWEEN = timedelta(milliseconds=1)
_WRITERS = 2


def serve_round(loop: DemoLoop, run: DemoRun, number: int, out: Path, steps: Steps) -> None:
    """Shoppers visit products; each is drawn an ad, sees it, and may click."""
    draw_round(loop, run, number, steps)
    show_round(loop, run, number, datetime.now(UTC), out, steps)
    loop.drain()


def draw_round(loop: DemoLoop, run: DemoRun, number: int, steps: Steps) -> None:
    """Draw an ad for every visit of a round; ads that were drawn before keep their names."""
    visits = loop.crowd.visits(loop.plan.ads_per_round, round_number=number, fashion=loop.fashion)
    requests = [
        loop.request(visit.user_id, visit.product_id, number, i) for i, visit in enumerate(visits)
    ]
    drawn: list[Drawn] = []
    label = f"Round {number}: version {loop.champion.serving.version} draws ads"
    with steps.step(label, total=len(requests)) as advance:
        known = loop.features.histories({request.user_id for request in requests})
        ads = loop.draw(requests, on_drawn=lambda: advance(1, ""))
        for adapter, of_arm in loop.by_adapter(ads).items():
            read = what_was_read(of_arm, adapter, loop.generator, loop.maker.past_ads)
            for ad, clicks in zip(of_arm, read, strict=True):
                drawn.append(
                    Drawn(
                        round_number=number,
                        file=_file(ad, number),
                        title=ad.creative.title,
                        picture=ad.creative.picture,
                        version=int(ad.creative.version),
                        exposure=exposure(ad),
                        read=clicks,
                        all_clicks=len(known[ad.request.user_id]),
                    )
                )
    run.drawn = sorted(drawn, key=lambda one: one.file)


def show_round(
    loop: DemoLoop,
    run: DemoRun,
    number: int,
    at: datetime,
    out: Path,
    steps: Steps,
    ideal: IdealReader | None = None,
) -> None:
    """The shoppers see the ads that were drawn, from a moment on, and click what they like.

    ``ideal`` is who learning is held against.
    """
    with steps.step(f"Round {number}: shoppers see them"):
        drawn = [
            one.model_copy(
                update={"exposure": one.exposure.model_copy(update={"ts": at + n * _BETWEEN})}
            )
            for n, one in enumerate(run.drawn)
        ]
        seen = [_as_seen(loop, one) for one in drawn]
        for one in drawn:
            loop.producer.send(one.exposure)
        chances = loop.crowd.chances(seen, round_number=number)
        clicks = loop.crowd.react(seen, round_number=number)
        for click in clicks:
            loop.producer.send(click)
        clicked = {click.ad_id for click in clicks}
        for one, ad, chance in zip(drawn, seen, chances, strict=True):
            _, best = loop.crowd[ad.user_id].favourite(ad.product, number)
            read = ideal and ideal.chance(ad.user_id, ad.product, number)
            known = one.model_dump() | {"exposure": one.exposure, "read": one.read}
            run.shown.append(
                Shown(
                    **known,
                    clicked=ad.ad_id in clicked,
                    chance=chance,
                    best_chance=best,
                    ideal_chance=read,
                )
            )
        run.drawn = []
        _write_cards(drawn, seen, out)


def _as_seen(loop: DemoLoop, one: Drawn) -> ShownAd:
    event = one.exposure
    return ShownAd(
        ad_id=event.ad_id or "",
        user_id=event.user_id,
        product=loop.catalogue[event.item_id],
        title=one.title,
        picture=loop.creatives.picture(one.picture),
        shown_at=event.ts,
        variant=event.variant,
        propensity=event.propensity,
    )


def _write_cards(drawn: Sequence[Drawn], seen: Sequence[ShownAd], out: Path) -> None:
    def write(one: Drawn, ad: ShownAd) -> None:
        call = call_to_action(ad.product.language, {})
        finish_ad(ad.picture, one.title, call=call).save(out / ADS / one.file, compress_level=1)

    with as_the_user_shares(), ThreadPoolExecutor(_WRITERS) as writers:
        list(writers.map(write, drawn, seen))


def _file(ad: Ad, number: int) -> str:
    place = ad.creative.ad_id.rpartition("-")[2]
    return f"round-{number}-{place}-{ad.creative.product_id}.png"
