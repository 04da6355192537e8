"""Looks at drawn ads before anybody sees them, by what is banned at that moment."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image
from sqlalchemy import Engine

from adloom.loop.catalogue.creatives.banned_pictures import banned_pictures_of
from adloom.loop.catalogue.product import Product
from adloom.loop.inspection.inspect import Said, Verdict, inspect
from adloom.loop.settings.review import ReviewSettings
from adloom.models.titles.rules import TitleRules


class Inspection:
    """Inspects ads; for several threads at once."""

    def __init__(
        self,
        engine: Engine,
        settings: ReviewSettings,
        titles: Callable[[Product], TitleRules],
    ) -> None:
        """``titles`` tells what the titles of a product may say now."""
        self._engine = engine
        self._settings = settings
        self._titles = titles

    def of(self, picture: Image.Image, product: Product, said: Said) -> Verdict:
        """The verdict on an ad: see `inspect`.

        Raises DatabaseError, and what ``titles`` raises.
        """
        banned = banned_pictures_of(self._engine, product.product_id)
        return inspect(picture, product, said, self._titles(product), banned, self._settings)
