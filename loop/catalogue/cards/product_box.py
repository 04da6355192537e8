"""Where the product is on the picture of an ad."""

from __future__ import annotations

import numpy as np
from PIL import Image

from adloom.loop.catalogue.cards.boxes import Box
from adloom.loop.catalogue.pictures.store import UnknownPicture
from adloom.loop.catalogue.product import Product
from adloom.models.compose import cutout_layer, place_cutout

_OPAQUE = 250
_MOST_DIFFERENCE = 12.0
"""Of 255, the mean of what is opaque: pictures are kept as WebP, which changes them by some 3."""


def product_box(picture: Image.Image, product: Product) -> Box:
    """The box of the product on its ad, pixels of the picture.

    It is where ads of the product have its cutout, if that is what is to be seen there. The shop's
    own ads have the product anywhere, and so have those that were drawn before its cutout became
    another: then it is the whole picture.
    """
    whole = Box(0, 0, *picture.size)
    if picture.width != picture.height or not product.cutout_name:
        return whole
    try:
        cutout = product.cutout()
    except UnknownPicture:
        return whole
    left, top, width, height = place_cutout(cutout, picture.width, product.placement)
    box = Box(left, top, left + width, top + height).shared(whole)
    if box.width <= 0 or box.height <= 0:
        return whole
    layer = np.asarray(
        cutout_layer(cutout, picture.width, product.placement).crop(box.edges), dtype=np.float32
    )
    seen = np.asarray(picture.convert("RGB").crop(box.edges), dtype=np.float32)
    opaque = layer[..., 3] >= _OPAQUE
    if not opaque.any():
        return whole
    difference = np.abs(layer[..., :3][opaque] - seen[opaque]).mean()
    return box if difference <= _MOST_DIFFERENCE else whole
