"""VQ codes of pictures in histories: made when a history first reads them, then kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np
from PIL import Image
from sqlalchemy import Engine, select

from adloom.loop.catalogue.creatives.store import Creative, CreativeStore, UnknownAd
from adloom.loop.catalogue.pictures.store import UnknownPicture
from adloom.loop.catalogue.product import Product
from adloom.loop.database.statements import parts, upsert
from adloom.loop.database.tables import picture_codes
from adloom.models.brief import Codes
from adloom.models.compose import show_whole

_log = logging.getLogger("adloom.catalogue")
_SIZE = 512  # as ads are encoded
_AT_ONCE = 64
"""Pictures in memory, some 50 MB."""

Encode = Callable[[Sequence[Image.Image]], np.ndarray]
"""Pictures to their codes, int16 ``(n, tokens)``."""
Load = Callable[[], Image.Image | None]


class Encoder(Protocol):
    """Makes codes of whole pictures."""

    @property
    def codebook_name(self) -> str:
        """Names the codebook, and the size of the pictures."""

    def encode(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Codes, int16 ``(n, tokens)``."""


class PictureCodes:
    """Codes by picture, as one codebook has them: another one's mean something else."""

    def __init__(self, engine: Engine, codebook: str, encode: Encode) -> None:
        """``codebook`` names what ``encode`` makes, also where codes are kept."""
        self._engine = engine
        self.codebook = codebook
        self._encode = encode

    def of(self, products: Sequence[Product]) -> dict[str, Codes]:
        """Codes of the pictures of products by product id; one without a picture has none."""
        by_name = {p.shown_name: p for p in products if p.shown_name}
        found = self._named({name: partial(_shown, p) for name, p in by_name.items()})
        return {p.product_id: found[p.shown_name] for p in products if p.shown_name in found}

    def of_ads(self, ads: Sequence[Creative], creatives: CreativeStore) -> dict[str, Codes]:
        """Codes of the finished pictures of ads by ad id; one whose picture is lost has none."""
        by_name = {ad.picture: ad for ad in ads}
        found = self._named(
            {name: partial(_finished, ad, creatives) for name, ad in by_name.items()}
        )
        return {ad.ad_id: found[ad.picture] for ad in ads if ad.picture in found}

    def _named(self, pictures: Mapping[str, Load]) -> dict[str, Codes]:
        """Codes by the names of pictures; what is new is made, a few pictures in memory."""
        if not pictures:
            return {}
        found = self._known(list(pictures))
        new = [name for name in pictures if name not in found]
        for start in range(0, len(new), _AT_ONCE):
            some = {name: pictures[name]() for name in new[start : start + _AT_ONCE]}
            found |= self._made({name: one for name, one in some.items() if one is not None})
        return found

    def _known(self, names: Sequence[str]) -> dict[str, Codes]:
        found: dict[str, Codes] = {}
        columns = picture_codes.c
        with self._engine.connect() as connection:
            for some in parts(names):
                query = select(columns.picture_name, columns.codes).where(
                    columns.codebook == self.codebook, columns.picture_name.in_(some)
                )
                for name, content in connection.execute(query):
                    found[name] = np.frombuffer(content, dtype="<i2")
        return found

    def _made(self, pictures: Mapping[str, Image.Image]) -> dict[str, Codes]:
        if not pictures:
            return {}
        made = dict(zip(pictures, self._encode(list(pictures.values())), strict=True))
        rows = [
            {
                "picture_name": name,
                "codebook": self.codebook,
                "codes": codes.astype("<i2").tobytes(),
            }
            for name, codes in sorted(made.items())  # in one order by whoever writes
        ]
        with self._engine.begin() as connection:
            connection.execute(upsert(picture_codes, self._engine), rows)
        return made


def as_encoded(kept: Image.Image) -> Image.Image:
    """A kept picture of an ad as the codebook sees it: square."""
    return kept if kept.width == kept.height else show_whole(kept, size=_SIZE)


# One lost picture must not cost a shopper every ad.


def _shown(product: Product) -> Image.Image | None:
    """What is read of a product."""
    try:
        whole = product.whole_picture()
    except UnknownPicture as error:
        _log.warning("product %r is read in no history: %s", product.product_id, error)
        return None
    return None if whole is None else show_whole(whole, size=_SIZE)


def _finished(ad: Creative, creatives: CreativeStore) -> Image.Image | None:
    """What is read of an ad."""
    try:
        return as_encoded(creatives.picture(ad.picture))
    except UnknownAd:
        _log.warning("ad %r is read in no history: its picture is lost", ad.ad_id)
        return None
