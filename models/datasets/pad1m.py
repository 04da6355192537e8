"""PAd1M, the dataset of Uni-AdGen (section 4.1): clicked ads with their shoppers' histories.

A file is a JSON list, or one JSON object a line. Each record tells of one ad: the picture
(``f_path``), the product cut out with transparency (``f_path_trans``), the product's name
(``sku_title_cn``), titles that were clicked (``gt_title_cn``), selling words (``word_list``), the
share of the picture that the product takes (``max_ratio``), and the shopper's history as three
lists of one length (``history_images``, ``history_titles``, ``text_similarity``). Paths are
relative to one folder.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief, Example, HistoryAd
from adloom.models.placement import Placement, as_photographed
from adloom.models.retrieval import drawn_by_likeness

TITLE_SPLIT = "<title_split>"
_COMMA = re.compile("[,\uff0c\u3001]")  # the two after the first are Chinese
MAX_PIXELS = 50_000_000
"""Larger pictures are refused before a pixel is decoded."""


class BadRecord(ValueError):
    """A record that cannot be used; the message names the file, the record and what is wrong."""


def _titles(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(title.strip() for title in value.split(TITLE_SPLIT) if title.strip())


def _words(value: Any) -> Any:
    """Selling words come as a list, or as one text with commas."""
    if not isinstance(value, str):
        return value
    return tuple(word.strip() for word in _COMMA.split(value) if word.strip())


class PadRecord(BaseModel):
    """One record as it stands in the file; paths are not yet opened."""

    model_config = ConfigDict(frozen=True)

    f_path: str
    f_path_trans: str
    sku_title_cn: str = Field(min_length=1)
    gt_title_cn: Annotated[tuple[str, ...], BeforeValidator(_titles), Field(min_length=1)]
    word_list: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    max_ratio: float = Field(gt=0, le=1)
    history_images: tuple[str, ...] = ()
    history_titles: tuple[str, ...] = ()
    text_similarity: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _one_length(self) -> PadRecord:
        lengths = (
            len(self.history_images),
            len(self.history_titles),
            len(self.text_similarity),
        )
        if len(set(lengths)) > 1:
            raise ValueError(
                "history_images, history_titles and text_similarity must be of one length, "
                "got {}, {} and {}".format(*lengths)
            )
        return self


@dataclass(frozen=True)
class Pad1M:
    """A PAd1M file and the folder that its pictures lie in."""

    file: Path
    pictures: Path

    def records(self) -> Iterator[PadRecord]:
        """Records in the order of the file.

        Raises:
            FileNotFoundError: there is no such file.
            BadRecord: a record is no JSON object of the format.
        """
        for number, raw in enumerate(self._raw(), start=1):
            try:
                yield PadRecord.model_validate(raw)
            except ValidationError as error:
                first = error.errors()[0]
                key = ".".join(str(part) for part in first["loc"])
                problem = f"{key}: {first['msg']}" if key else first["msg"]
                raise BadRecord(f"{self.file}, record {number}: {problem}") from error

    def example(
        self, record: PadRecord, generator: AdGenerator, k: int = 10, *, seed: int = 0
    ) -> Example:
        """A record as a training example: its first clicked title, its picture as VQ codes.

        The history holds at most ``k`` ads, drawn by how similar their text is to the product's,
        the most similar first; another ``seed`` draws others. An ad with a title that is to be
        written is never among them.

        Raises:
            BadRecord: a picture is missing, broken, too large or outside the folder.
        """
        chosen = _history(record, k, seed)
        ads = [self.picture(record.history_images[i]) for i in chosen]
        history = tuple(
            HistoryAd(record.history_titles[i], code)
            for i, code in zip(chosen, generator.encode_history(ads), strict=True)
        )
        [codes] = generator.encode_pictures([self.picture(record.f_path)])
        cutout, placement = self._product(record)
        brief = AdBrief(record.sku_title_cn, record.word_list, cutout, history, placement=placement)
        return Example(brief, record.gt_title_cn[0], codes)

    def picture(self, name: str, mode: str = "RGB") -> Image.Image:
        """The picture of that name in the folder, decoded, in ``mode``.

        Raises:
            BadRecord: it is missing, broken, larger than ``MAX_PIXELS`` or outside the folder.
        """
        folder = self.pictures.resolve()
        try:
            path = (folder / name).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise BadRecord(f"{name!r}: no path of a picture: {error}") from error
        if not path.is_relative_to(folder):
            raise BadRecord(f"{name}: leads out of the folder {self.pictures}")
        if not path.is_file():
            raise BadRecord(f"{name}: no such picture in {self.pictures}")
        try:
            with Image.open(path) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise BadRecord(f"{name}: {opened.width} x {opened.height} px is too large")
                return opened.convert(mode)
        # Pillow refuses the largest pictures by itself, and broken ones in many ways.
        except (UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise BadRecord(f"{name}: not a picture that can be read: {error}") from error
        except (OSError, SyntaxError, ValueError) as error:
            if isinstance(error, BadRecord):
                raise
            raise BadRecord(f"{name}: broken picture: {error}") from error

    def _product(self, record: PadRecord) -> tuple[Image.Image, Placement]:
        """The product, cropped to what is opaque, and where it lies in the picture."""
        photo = self.picture(record.f_path_trans, "RGBA")
        box = photo.getchannel("A").getbbox()
        if box is None:
            raise BadRecord(f"{record.f_path_trans}: nothing but transparency")
        return photo.crop(box), as_photographed(box, photo.size, record.max_ratio)

    def _raw(self) -> Iterator[Any]:
        text = self.file.read_text(encoding="utf-8")
        try:
            if text.lstrip().startswith("["):
                yield from json.loads(text)
                return
            for line in text.splitlines():
                if line.strip():
                    yield json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise BadRecord(f"{self.file}: not JSON: {error}") from error


def _history(record: PadRecord, k: int, seed: int) -> list[int]:
    """Positions of the history's ads that stand for it (Uni-AdGen, section 3.3)."""
    likeness = [
        0.0 if title.strip() in record.gt_title_cn else similarity
        for title, similarity in zip(record.history_titles, record.text_similarity, strict=True)
    ]
    rng = np.random.default_rng([seed, zlib.crc32(record.f_path.encode())])
    return drawn_by_likeness(likeness, k, rng)
