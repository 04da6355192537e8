"""What no training may see, so that evaluation is on shoppers and products that are new.

Membership hangs on names alone (a checksum), so it stays when others are added.
"""

from __future__ import annotations

import zlib
from functools import cache
from itertools import product

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import TONES
from adloom.loop.demo.shop.creatives import Look
from adloom.loop.demo.shop.scenes import PALETTES, SCENES

HELDOUT_SEED = 2**31
"""Backdrops drawn with this seed or a larger one are for evaluation alone."""
_PRODUCTS_A_CATEGORY = 2
_LOOK_SHARE = 5  # one look in so many is held out


@cache
def heldout_products() -> tuple[Product, ...]:
    """Two products of every category, in catalogue order."""
    catalog = load_catalog()
    held = set()
    for category in catalog.categories:
        own = [p.product_id for p in catalog.values() if p.category == category]
        held.update(sorted(own, key=_checksum)[:_PRODUCTS_A_CATEGORY])
    return tuple(p for p in catalog.values() if p.product_id in held)


@cache
def training_products() -> tuple[Product, ...]:
    """Every other product, in catalogue order."""
    held = {p.product_id for p in heldout_products()}
    return tuple(p for p in load_catalog().values() if p.product_id not in held)


@cache
def heldout_looks() -> tuple[Look, ...]:
    """Scene, palette and tone as they come together in the taste of held-out shoppers only.

    The trend scene and the trend tone are not among them.
    """
    usual = product(SCENES[:-1], PALETTES, TONES[:-1])
    return tuple(look for look in (Look(*parts) for parts in usual) if _is_heldout(look))


@cache
def training_looks() -> tuple[Look, ...]:
    """Every other look that has nothing of the trend."""
    held = set(heldout_looks())
    usual = (Look(*parts) for parts in product(SCENES[:-1], PALETTES, TONES[:-1]))
    return tuple(look for look in usual if look not in held)


@cache
def trend_looks() -> tuple[Look, ...]:
    """Looks of the trend scene or the trend tone, which are rare in training."""
    looks = (Look(*parts) for parts in product(SCENES, PALETTES, TONES))
    return tuple(k for k in looks if k.scene == SCENES[-1] or k.tone == TONES[-1])


def _is_heldout(look: Look) -> bool:
    return _checksum(f"{look.scene}/{look.palette}/{look.tone}") % _LOOK_SHARE == 0


def _checksum(name: str) -> int:
    return zlib.crc32(name.encode())
