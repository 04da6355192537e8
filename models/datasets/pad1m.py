"""PAd1M, the dataset of Uni-AdGen (section 4.1): clicked ads with their shoppers' histories.

A file is a JSON list, or one JSON object a line. Each record tells of one ad: the picture
(``f_path``), the product cut out with transparency (``f_path_trans``), the product's name
(``sku_title_cn``), titles that were clicked (``gt_title_cn``), selling words (``word_list``), the
share of the picture that the product takes (``max_ratio``), and the shopper's history as three
lists of one length (``history_images``, ``history_titles``, ``text_similarity``). Paths are
relative to one folder.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from adloom.models.datasets.json_records import BadLine, DamagedJson, json_records
from adloom.models.datasets.record import Split

TITLE_SPLIT = "<title_split>"
_COMMA = re.compile("[,\uff0c\u3001]")  # the two after the first are Chinese
MAX_PIXELS = 50_000_000
"""Larger pictures are refused before a pixel is decoded."""
Reason = Literal[
    "no JSON",
    "bad fields",
    "missing picture",
    "broken picture",
    "picture too large",
    "picture outside the folder",
    "empty cutout",
]


class BadRecord(ValueError):
    """A record that cannot be used; the message names the file, the record and what is wrong.

    ``reason`` is what such records are counted by.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


def _titles(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(title.strip() for title in value.split(TITLE_SPLIT) if title.strip())


def _words(value: Any) -> Any:
    """Selling words come as a list, or as one text with commas."""
    if not isinstance(value, str):
        return value
    return tuple(word.strip() for word in _COMMA.split(value) if word.strip())


def _likeness(value: Any) -> Any:
    """Fields may be empty; what is no number stands for a likeness that nobody knows."""
    if not isinstance(value, list | tuple):
        return () if value is None else value
    return tuple(math.nan if each is None else each for each in value)


def _listed(value: Any) -> Any:
    return () if value is None else value


def _named(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value or ""


class PadRecord(BaseModel):
    """One record as it stands in the file; paths are not yet opened.

    PAd1M itself has neither ``record_id`` nor what follows it: adloom's own exports do.
    """

    model_config = ConfigDict(frozen=True)

    f_path: str
    f_path_trans: str
    sku_title_cn: str = Field(min_length=1)
    gt_title_cn: Annotated[tuple[str, ...], BeforeValidator(_titles), Field(min_length=1)]
    word_list: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    max_ratio: float = Field(gt=0, le=1)
    history_images: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    history_titles: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    text_similarity: Annotated[tuple[float, ...], BeforeValidator(_likeness)] = ()
    record_id: Annotated[str, BeforeValidator(_named)] = ""
    split: Split | None = None
    language: Annotated[str, BeforeValidator(_named)] = ""
    category: Annotated[str, BeforeValidator(_named)] = ""
    short_name: Annotated[str, BeforeValidator(_named)] = ""

    @model_validator(mode="after")
    def _one_length(self) -> PadRecord:
        lengths = len(self.history_images), len(self.history_titles)
        if len(set(lengths)) > 1:
            raise ValueError(
                "history_images and history_titles must be of one length, got {} and {}".format(
                    *lengths
                )
            )
        return self

    @property
    def known_similarity(self) -> tuple[float, ...] | None:
        """``text_similarity`` where it says something of each ad of the history."""
        known = self.text_similarity
        whole = len(known) == len(self.history_titles) and all(map(math.isfinite, known))
        return known if whole else None


Numbered = tuple[int, PadRecord | BadRecord]
"""A record, or what is wrong with it, and which of the file it is, from 1."""


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
        try:
            for number, raw in enumerate(json_records(self.file), start=1):
                record = self._validated(number, raw)
                if isinstance(record, BadRecord):
                    raise record
                yield record
        except DamagedJson as error:
            raise BadRecord("no JSON", str(error)) from error

    def count(self) -> int:
        """How many records there are, bad ones too. Raises as `json_records` does."""
        return sum(1 for _ in json_records(self.file))

    def blocks(self, size: int) -> Iterator[Iterator[Numbered]]:
        """The records, ``size`` at a time, each with its number; what is bad ends nothing.

        A block that is not taken costs no more than its parsing.
        """
        raws = enumerate(json_records(self.file), start=1)
        while block := list(islice(raws, size)):
            yield ((number, self._validated(number, raw)) for number, raw in block)

    def _validated(self, number: int, raw: Any) -> PadRecord | BadRecord:
        if isinstance(raw, BadLine):
            return BadRecord("no JSON", f"{self.file}, record {number}: {raw}")
        try:
            return PadRecord.model_validate(raw)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            problem = f"{key}: {first['msg']}" if key else first["msg"]
            return BadRecord("bad fields", f"{self.file}, record {number}: {problem}")

    def picture(self, name: str, mode: str = "RGB") -> Image.Image:
        """The picture of that name in the folder, decoded, in ``mode``.

        Raises:
            BadRecord: it is missing, broken, larger than ``MAX_PIXELS`` or outside the folder.
        """
        folder = self.pictures.resolve()
        try:
            path = (folder / name).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise BadRecord(
                "missing picture", f"{name!r}: no path of a picture: {error}"
            ) from error
        if not path.is_relative_to(folder):
            raise BadRecord(
                "picture outside the folder", f"{name}: leads out of the folder {self.pictures}"
            )
        if not path.is_file():
            raise BadRecord("missing picture", f"{name}: no such picture in {self.pictures}")
        try:
            with Image.open(path) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise _too_large(name, f"{opened.width} x {opened.height} px is too large")
                return opened.convert(mode)
        # Pillow refuses the largest pictures by itself, and broken ones in many ways.
        except Image.DecompressionBombError as error:
            raise _too_large(name, f"not a picture that can be read: {error}") from error
        except UnidentifiedImageError as error:
            told = f"{name}: not a picture that can be read: {error}"
            raise BadRecord("broken picture", told) from error
        except (OSError, SyntaxError, ValueError) as error:
            if isinstance(error, BadRecord):
                raise
            raise BadRecord("broken picture", f"{name}: broken picture: {error}") from error


def _too_large(name: str, told: str) -> BadRecord:
    return BadRecord("picture too large", f"{name}: {told}")
