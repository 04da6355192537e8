"""Products that a person uploads: kept in memory for a while."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import replace

from PIL import Image

from adloom.loop.catalogue.pictures.intake import Intake
from adloom.loop.catalogue.product import OnePicture, Product

PREFIX = "upload-"
_MOST_SIDE = 512  # of an ad
_KEPT = 32


class Uploads:
    """The newest uploads by an id of the server's own making. Safe to use from several threads."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._products: OrderedDict[str, Product] = OrderedDict()

    def add(self, product: Product, taken: Intake) -> Product:
        """Keeps a product under an id like :func:`new_id`; with too many the oldest one goes.

        It has its cutout, or else its whole picture: one of them is all that an ad needs.
        """
        kept = (taken.cutout or taken.whole).copy()
        kept.thumbnail((_MOST_SIDE, _MOST_SIDE), Image.Resampling.LANCZOS)
        product = replace(
            product,
            pictures=OnePicture(kept),
            cutout_name=product.product_id if taken.cutout else "",
            placement=taken.placement,
            picture_name="" if taken.cutout else product.product_id,
        )
        with self._lock:
            self._products[product.product_id] = product
            while len(self._products) > self._kept:
                self._products.popitem(last=False)
        return product

    def find(self, upload_id: str) -> Product | None:
        """None for what was never uploaded, or is gone by now."""
        with self._lock:
            return self._products.get(upload_id)


def new_id() -> str:
    """An id that nobody guesses."""
    return f"{PREFIX}{secrets.token_hex(8)}"
