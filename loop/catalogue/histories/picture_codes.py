"""VQ codes of products' own pictures: made when a history first reads them, then kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from sqlalchemy import Engine, select

from adloom.loop.catalogue.database import parts, picture_codes, upsert
from adloom.loop.catalogue.pictures.store import UnknownPicture
from adloom.loop.catalogue.product import Product
from adloom.models.brief import Codes
from adloom.models.compose import show_whole

_log = logging.getLogger("adloom.catalogue")
_SIZE = 512  # as ads are encoded

Encode = Callable[[Sequence[Image.Image]], np.ndarray]
"""Pictures to their codes, int16 ``(n, image tokens)``."""


class PictureCodes:
    """Codes by picture, as one codebook has them: another one's mean something else."""

    def __init__(self, engine: Engine, codebook: str, encode: Encode) -> None:
        self._engine = engine
        self._codebook = codebook
        self._encode = encode

    def of(self, products: Sequence[Product]) -> dict[str, Codes]:
        """Codes of the pictures of products by product id; one without a picture has none."""
        names = {p.product_id: p.shown_name for p in products}
        known = self._known([name for name in names.values() if name])
        new = {names[p.product_id]: p for p in products if names[p.product_id] not in known}
        known |= self._made({name: product for name, product in new.items() if name})
        return {product: known[name] for product, name in names.items() if name in known}

    def _known(self, names: Sequence[str]) -> dict[str, Codes]:
        found: dict[str, Codes] = {}
        columns = picture_codes.c
        with self._engine.connect() as connection:
            for some in parts(names):
                query = select(columns.picture_name, columns.codes).where(
                    columns.codebook == self._codebook, columns.picture_name.in_(some)
                )
                for name, content in connection.execute(query):
                    found[name] = np.frombuffer(content, dtype="<i2")
        return found

    def _made(self, new: dict[str, Product]) -> dict[str, Codes]:
        pictures = {
            name: show_whole(picture, size=_SIZE)
            for name, product in new.items()
            if (picture := _picture(product)) is not None
        }
        if not pictures:
            return {}
        made = dict(zip(pictures, self._encode(list(pictures.values())), strict=True))
        rows = [
            {
                "picture_name": name,
                "codebook": self._codebook,
                "codes": codes.astype("<i2").tobytes(),
            }
            for name, codes in made.items()
        ]
        with self._engine.begin() as connection:
            connection.execute(upsert(picture_codes, self._engine), rows)
        return made


def _picture(product: Product) -> Image.Image | None:
    """What is read of the product; one lost picture must not cost a shopper every ad."""
    try:
        return product.whole_picture()
    except UnknownPicture as error:
        _log.warning("product %r is read in no history: %s", product.product_id, error)
        return None
