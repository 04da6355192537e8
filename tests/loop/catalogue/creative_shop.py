"""A shop that brings its own ads, for the tests of that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adloom.loop.catalogue.intake.creatives.feeds import CreativeRow, read_creatives
from adloom.loop.catalogue.intake.creatives.importing import CreativeImporter, CreativeReport
from adloom.loop.catalogue.intake.picture_sources import PictureLinks
from adloom.loop.catalogue.opening import open_creatives
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.settings.catalogue import CatalogSettings, CreativesSettings
from adloom.models.ad_generator import AdGenerator
from tests.stocked import stocked_catalogue

SHOE = "running-shoes"


class Shop:
    """A home with the demo shop's products, and a folder that its own ads come from."""

    def __init__(self, folder: Path, generator: AdGenerator) -> None:
        self.folder = folder / "from-the-shop"
        self.folder.mkdir()
        self.catalogue: Catalogue = stocked_catalogue(folder / "home")
        self.creatives = open_creatives(folder / "home")
        self.generator = generator
        self.encoded = 0

    def close(self) -> None:
        self.catalogue.close()
        self.creatives.close()

    @property
    def codebook_name(self) -> str:
        return self.generator.codebook_name

    def encode(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        self.encoded += len(pictures)
        return self.generator.encode_pictures(pictures)

    def importer(self, **given: Any) -> CreativeImporter:
        settings = CatalogSettings(**given)
        links = PictureLinks(settings, self.folder)
        return CreativeImporter(self.catalogue, self.creatives, settings, links, lambda: self)

    def take(self, *rows: CreativeRow, **given: Any) -> CreativeReport:
        report = CreativeReport()
        self.importer(**given).take(rows, report)
        return report

    def take_file(self, file: Path, **given: Any) -> CreativeReport:
        report = CreativeReport()
        self.importer().take(
            read_creatives(file, CreativesSettings(**given), CatalogSettings()), report
        )
        return report

    def picture(self, name: str, seed: int = 0, size: tuple[int, int] = (64, 64)) -> str:
        """Path of a picture in the folder."""
        noise(seed, size).save(self.folder / name)
        return name


def noise(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels)


def row(picture: str | Image.Image, ad_id: str = "ad-1", **given: Any) -> CreativeRow:
    return CreativeRow(ad_id, SHOE, "Run on clouds", picture, source="ads.csv", **given)


def reasons(report: CreativeReport) -> list[str]:
    return [refusal.reason for refusal in report.refusals]
