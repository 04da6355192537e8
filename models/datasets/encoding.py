"""From a record of PAd1M's format to one that training reads: the only way there is.

Codes of pictures are made here, once; each picture of a block of records is opened once, however
many histories show it. What a block becomes hangs on the block alone: floating point sums differ
by what else is in a batch, and an encoding that was cut off is to end as one that was not.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adloom.models.brief import Codes, HistoryAd
from adloom.models.datasets.pad1m import BadRecord, Numbered, Pad1M, PadRecord
from adloom.models.datasets.record import AdRecord, Split
from adloom.models.placement import Placement, as_photographed
from adloom.models.retrieval import embed_texts

Encode = Callable[[Sequence[Image.Image]], NDArray[np.int16]]
"""Pictures of any size to VQ codes, int16 ``(n, tokens)``."""
_AT_ONCE = 32
_MOST_SIDE = 1024  # of a picture in memory: far above what any base reads
_CUTOUT_SIDE = 512
_HAN = re.compile("[\u3400-\u9fff]")
_KANA = re.compile("[\u3040-\u30ff]")


@dataclass(frozen=True)
class _Opened:
    record: PadRecord
    picture: Image.Image
    cutout: bytes
    placement: Placement


@dataclass(frozen=True)
class RecordEncoder:
    """Encodes blocks of records.

    Attributes:
        data: where the pictures lie.
        encode: codes of the pictures that are learnt.
        encode_history: those of the pictures that shoppers clicked before.
        picture_size: side in pixels of the pictures that are kept.
        heldout: share of products that are not trained on, where a record does not say.
        threads: what opens pictures.
    """

    data: Pad1M
    encode: Encode
    encode_history: Encode
    picture_size: int
    heldout: float
    threads: Executor

    def encoded(self, block: Sequence[Numbered]) -> Iterator[tuple[int, AdRecord | BadRecord]]:
        """Each record of a block, or what is wrong with it, in order, with its number."""
        known: dict[str, Codes | BadRecord] = {}
        for start in range(0, len(block), _AT_ONCE):
            yield from self._part(block[start : start + _AT_ONCE], known)

    def problem(self, record: PadRecord | BadRecord) -> BadRecord | None:
        """What is wrong with a record and its pictures, without a code being made."""
        opened = self._opened(record)
        if isinstance(opened, BadRecord):
            return opened
        seen = self.threads.map(self._picture, opened.record.history_images)
        return next((found for found in seen if isinstance(found, BadRecord)), None)

    def _part(
        self, part: Sequence[Numbered], known: dict[str, Codes | BadRecord]
    ) -> Iterator[tuple[int, AdRecord | BadRecord]]:
        opened = list(self.threads.map(self._opened, [record for _, record in part]))
        good = [one for one in opened if isinstance(one, _Opened)]
        self._read_histories([one.record for one in good], known)
        codes = iter(self.encode([one.picture for one in good]))
        for (number, _), one in zip(part, opened, strict=True):
            if isinstance(one, BadRecord):
                yield number, one
            else:
                yield number, self._made(number, one, next(codes), known)

    def _read_histories(
        self, records: Sequence[PadRecord], known: dict[str, Codes | BadRecord]
    ) -> None:
        names = dict.fromkeys(name for record in records for name in record.history_images)
        new = [name for name in names if name not in known]
        for start in range(0, len(new), _AT_ONCE):
            some = new[start : start + _AT_ONCE]
            seen = dict(zip(some, self.threads.map(self._picture, some), strict=True))
            good = {name: one for name, one in seen.items() if isinstance(one, Image.Image)}
            known |= {name: one for name, one in seen.items() if isinstance(one, BadRecord)}
            codes = self.encode_history(list(good.values()))
            known |= dict(zip(good, codes, strict=True))

    def _opened(self, record: PadRecord | BadRecord) -> _Opened | BadRecord:
        if isinstance(record, BadRecord):
            return record
        try:
            picture = _shrunk(self.data.picture(record.f_path), _MOST_SIDE)
            photo = self.data.picture(record.f_path_trans, "RGBA")
            box = photo.getchannel("A").getbbox()
            if box is None:
                name = record.f_path_trans
                raise BadRecord("empty cutout", f"{name}: nothing but transparency")
        except BadRecord as error:
            return error
        place = as_photographed(box, photo.size, record.max_ratio)
        cutout = _bytes(_shrunk(photo.crop(box), _CUTOUT_SIDE), "PNG")
        return _Opened(record, picture, cutout, place)

    def _picture(self, name: str) -> Image.Image | BadRecord:
        try:
            return _shrunk(self.data.picture(name), _MOST_SIDE)
        except BadRecord as error:
            return error

    def _made(
        self, number: int, opened: _Opened, codes: Codes, known: dict[str, Codes | BadRecord]
    ) -> AdRecord | BadRecord:
        record = opened.record
        history: list[HistoryAd] = []
        for name, title in zip(record.history_images, record.history_titles, strict=True):
            read = known[name]
            if isinstance(read, BadRecord):
                return read
            history.append(HistoryAd(title, read))
        side = (self.picture_size, self.picture_size)
        small = opened.picture.resize(side, Image.Resampling.LANCZOS)
        return AdRecord(
            record_id=record.record_id or str(number),
            split=record.split or split_of(record.sku_title_cn, self.heldout),
            name=record.sku_title_cn,
            titles=record.gt_title_cn,
            cutout=opened.cutout,
            picture=_bytes(small, "WEBP", quality=90),
            codes=codes,
            words=record.word_list,
            short_name=record.short_name,
            language=record.language or _language(record.sku_title_cn),
            category=record.category,
            placement=opened.placement,
            history=tuple(history),
            likeness=_likeness(record),
        )


def _likeness(record: PadRecord) -> tuple[float, ...]:
    """Of each ad of the history to the product; the title that is to be written counts as 0."""
    known = record.known_similarity
    if known is None:
        product, *titles = embed_texts([record.sku_title_cn, *record.history_titles])
        known = tuple(float(title @ product) for title in titles)
    return tuple(
        0.0 if title.strip() in record.gt_title_cn else alike
        for title, alike in zip(record.history_titles, known, strict=True)
    )


def split_of(product: str, heldout: float) -> Split:
    """The same for all ads of a product, whatever else there is."""
    digest = hashlib.blake2b(product.strip().casefold().encode(), digest_size=8).digest()
    return "heldout" if int.from_bytes(digest, "big") / 2**64 < heldout else "train"


def _language(text: str) -> str:
    """PAd1M is Chinese; what has no Chinese character at all is left to the reader."""
    return "zh" if _HAN.search(text) and not _KANA.search(text) else ""


def _shrunk(picture: Image.Image, most: int) -> Image.Image:
    if max(picture.size) > most:
        picture.thumbnail((most, most), Image.Resampling.LANCZOS)
    return picture


def _bytes(picture: Image.Image, kind: str, **how: int) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, kind, **how)
    return kept.getvalue()
