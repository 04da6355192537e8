"""What learning changed: the same shoppers, products and seeds, drawn before it and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from PIL import Image

from adloom.loop.catalogue.briefs import brief, finished
from adloom.loop.catalogue.histories.past_ads import past_ad
from adloom.loop.demo.parts import LEARNING, DemoLoop
from adloom.loop.demo.progress import Steps
from adloom.loop.demo.run import BeforeAfter, DemoRun, Shown
from adloom.loop.demo.shop.simulator import ShownAd
from adloom.loop.learning.versions import load_version
from adloom.models.brief import AdBrief

_PAIRS = 6


def draw_pairs(loop: DemoLoop, run: DemoRun, steps: Steps) -> None:
    """Draw ads of the last round once more, by the base and by the newest version."""
    chosen = _chosen(run)
    newest = loop.registry.versions()[-1]
    if newest.number == 1 or not chosen:
        return
    with steps.step("Drawing what learning changed", total=2 * len(chosen)) as advance:
        adapter = load_version(loop.generator, loop.registry, newest)
        drawings = []
        for name in (None, adapter):
            drawings.append(_drawn(loop, chosen, name))
            advance(len(chosen), "")
        run.pairs = [
            BeforeAfter(
                user_id=one.exposure.user_id,
                product_id=one.exposure.item_id,
                read=one.read,
                titles=(before.title, after.title),
                pictures=(before.name, after.name),
                chances=(before.chance, after.chance),
                version=newest.number,
            )
            for one, before, after in zip(chosen, *drawings, strict=True)
        ]


def _chosen(run: DemoRun) -> list[Shown]:
    """The first visits of the last round by shoppers who are known, one each."""
    last = max(run.round_numbers, default=0)
    found: dict[str, Shown] = {}
    for one in run.of(LEARNING, last):
        if one.read:
            found.setdefault(one.exposure.user_id, one)
    return list(found.values())[:_PAIRS]


@dataclass(frozen=True)
class _Drawing:
    title: str
    name: str
    chance: float


def _drawn(loop: DemoLoop, chosen: Sequence[Shown], adapter: str | None) -> list[_Drawing]:
    briefs = [_brief(loop, one) for one in chosen]
    drafts = loop.generator.generate(
        briefs,
        seeds=range(len(briefs)),
        sampling=loop.generator.sampling(loop.maker.settings),
        adapter=adapter,
    )
    shadow = loop.generator.casts_shadow
    pictures = [
        finished(draft.background, loop.catalogue[one.exposure.item_id], shadow=shadow)
        for one, draft in zip(chosen, drafts, strict=True)
    ]
    titles = [draft.title for draft in drafts]
    chances = _chances(loop, chosen, titles, pictures)
    names = [loop.creatives.put_picture(picture) for picture in pictures]
    return [_Drawing(*found) for found in zip(titles, names, chances, strict=True)]


def _brief(loop: DemoLoop, one: Shown) -> AdBrief:
    """What the generator was told at the visit; a trend is the version's own."""
    past_ads = loop.maker.past_ads
    own = [ad.ad_id for ad in one.read if ad.ad_id and not ad.everybodys]
    ads = past_ads.creatives.get_many(own)
    codes = past_ads.codes_of(list(ads.values()))
    history = [past_ad(ads[ad_id], codes[ad_id]) for ad_id in own if ad_id in codes]
    product = loop.catalogue[one.exposure.item_id]
    return brief(product, history, loop.ground.titles(product))


def _chances(
    loop: DemoLoop, chosen: Sequence[Shown], titles: Sequence[str], pictures: Sequence[Image.Image]
) -> list[float]:
    seen = [
        ShownAd(
            ad_id="",
            user_id=one.exposure.user_id,
            product=loop.catalogue[one.exposure.item_id],
            title=title,
            picture=picture,
            shown_at=datetime.now(UTC),
        )
        for one, title, picture in zip(chosen, titles, pictures, strict=True)
    ]
    return loop.crowd.chances(seen, round_number=chosen[0].round_number)
