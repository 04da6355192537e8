"""Pictures of a data set: each is written once, however many records show it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.catalogue.pictures.store import UnknownPicture
from adloom.loop.catalogue.product import Product
from adloom.models.compose import cutout_layer, show_whole
from adloom.models.placement import standing

_SIZE = 512  # as ads are finished


class ExportedPictures:
    """Writes pictures into a folder, and names them as the records do."""

    def __init__(self, folder: Path, creatives: CreativeStore) -> None:
        self._folder = folder
        self._creatives = creatives
        self._known: dict[str, str | None] = {}
        self._cutouts: dict[str, tuple[str, float]] = {}

    def of_ad(self, digest: str) -> str | None:
        """The picture of an ad; None where it is lost."""
        if digest not in self._known:
            self._known[digest] = self._copied(digest)
        return self._known[digest]

    def of_product(self, product: Product) -> str | None:
        """The picture that stands for a product; None where it has none."""
        key = f"product {product.product_id}"
        if key not in self._known:
            self._known[key] = self._shown(product)
        return self._known[key]

    def of_cutout(self, product: Product) -> tuple[str, float]:
        """The product at its place on nothing, and the share of the picture that it takes."""
        if product.product_id not in self._cutouts:
            cutout = product.cutout()
            place = product.placement or standing(*cutout.size)
            name = f"cutout-{_hashed(product.product_id)}.png"
            layer = cutout_layer(cutout, _SIZE, place)
            layer.save(self._folder / name)
            left, top, right, bottom = layer.getbbox() or (0, 0, 1, 1)
            self._cutouts[product.product_id] = name, max(right - left, bottom - top) / _SIZE
        return self._cutouts[product.product_id]

    def _copied(self, digest: str) -> str | None:
        try:
            kept = self._creatives.pictures.file(digest)
        except UnknownPicture:
            return None
        name = f"{digest}.{kept.kind}"
        (self._folder / name).write_bytes(kept.content)
        return name

    def _shown(self, product: Product) -> str | None:
        try:
            picture = product.whole_picture()
        except UnknownPicture:
            return None
        if picture is None:
            return None
        name = f"product-{_hashed(product.product_id)}.webp"
        show_whole(picture, size=_SIZE).save(self._folder / name, quality=90)
        return name


def _hashed(product_id: str) -> str:
    return hashlib.blake2b(product_id.encode(), digest_size=12).hexdigest()
