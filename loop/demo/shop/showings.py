"""What shoppers did with a shop's ads, as who knows the simulator's rules reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from adloom.loop.demo.shop.copywriting import tone_of
from adloom.loop.demo.shop.creatives import SeedCreative
from adloom.loop.demo.shop.perception import Sight
from adloom.loop.demo.shop.taste_reader import SeenAd, Showing, TasteReader
from adloom.stream.events import Click, Impression


def showings_of(
    events: Iterable[Impression | Click], ads: Sequence[SeedCreative], users: Iterable[str]
) -> dict[str, list[Showing]]:
    """By user, in the order of ``events``: those of `Crowd.browse` with these ads."""
    numbers = {ad.ad_id: number for number, ad in enumerate(ads)}
    showings: dict[str, list[Showing]] = {user: [] for user in users}
    for event in events:
        assert event.ad_id is not None
        assert event.position is not None
        shown = Showing(numbers[event.ad_id], event.position, clicked=False)
        seen = showings[event.user_id]
        if isinstance(event, Impression):
            seen.append(shown)
        else:
            latest = len(seen) - 1 - seen[::-1].index(shown)
            seen[latest] = replace(shown, clicked=True)
    return showings


def reader_of(
    ads: Sequence[SeedCreative], sights: Sequence[Sight], *, noise: float, visits: int
) -> TasteReader:
    """Who knows these ads, what is in them, and how many visits shoppers made on average."""
    seen = [
        SeenAd(sight.scenes, sight.palettes, tone_of(ad.title), ad.product.category)
        for ad, sight in zip(ads, sights, strict=True)
    ]
    return TasteReader(seen, noise=noise, visits=(max(1, visits // 2), visits + visits // 2))
