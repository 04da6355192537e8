"""The shop's new ads of a round: once fashion has moved, its designers go along in part."""

from __future__ import annotations

import random
from dataclasses import replace

from adloom.loop.demo.shop.copywriting import write_title
from adloom.loop.demo.shop.creatives import SeedCreative, seed_creatives
from adloom.loop.demo.shop.fashion import Fashion


def new_creatives(
    n: int, *, fashion: Fashion | None, follow: float, round_number: int, seed: int
) -> list[SeedCreative]:
    """Draw the ``n`` ads that the shop adds in a round; the same arguments give the same ads.

    A share ``follow`` of them is in ``fashion``, once there is one; the others are as ever.
    """
    name = f"{seed}/round {round_number}"
    if fashion is None:
        return seed_creatives(n, name)
    creatives = seed_creatives(n, name, fashion.on_sale(round_number))
    rng = random.Random(f"season/{name}")
    share = follow if fashion.share(round_number) else 0.0
    return [_in_fashion(ad, fashion, rng) if rng.random() < share else ad for ad in creatives]


def _in_fashion(ad: SeedCreative, fashion: Fashion, rng: random.Random) -> SeedCreative:
    look = fashion.look_of(ad.product)
    if look is None:
        return ad
    return replace(ad, look=look, title=write_title(ad.product, look.tone, rng=rng))
