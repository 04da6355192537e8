"""A home whose catalogue has the demo shop's products; they are imported once a test run."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.catalogue.histories.picture_codes import PictureCodes
from adloom.loop.catalogue.histories.reading import HistoryReader
from adloom.loop.catalogue.intake.feed import import_feed
from adloom.loop.catalogue.opening import open_catalogue, open_creatives
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.database.sqlite import database_file
from adloom.loop.demo.shop.catalog import FEED
from adloom.loop.settings.catalogue import CatalogSettings
from tests.tiny_model import TINY, tiny_codebook, tiny_generator


def stocked(home: Path) -> Path:
    """The home, with the demo shop's products in its catalogue."""
    if not database_file(home).exists():
        shutil.copytree(_imported(), home, dirs_exist_ok=True)
    return home


def stocked_catalogue(home: Path) -> Catalogue:
    """The catalogue of such a home."""
    return open_catalogue(stocked(home))


def past_ads_of(home: Path) -> PastAds:
    """Past ads of such a home; no picture of a product has anything on it."""

    def encode(pictures: Sequence[Image.Image]) -> np.ndarray:
        return np.zeros((len(pictures), TINY.image_tokens), dtype=np.int16)

    catalogue = stocked_catalogue(home)
    codes = PictureCodes(catalogue.engine, tiny_codebook(), encode)
    reader = HistoryReader(tiny_generator().code_vectors, catalogue.vectors.encoder.embed)
    return PastAds(catalogue, open_creatives(home), codes, reader)


@cache
def _imported() -> Path:
    home = Path(tempfile.mkdtemp(prefix="adloom-stocked-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    catalogue = open_catalogue(home)
    report = import_feed(catalogue, str(FEED), CatalogSettings())
    catalogue.close()
    assert not report.refused, report.notes
    return home
