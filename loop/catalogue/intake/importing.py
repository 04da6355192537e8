"""Products into the catalogue: what is new is taken in, what is known costs a look.

Each row is looked at by itself: one that cannot be a product is refused with its line, and what
the catalogue had of it stays. Work is done for rows that are new or changed alone: a picture is
decoded when it is another one, a vector is made when the texts are others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from adloom.loop.catalogue.embedding import new_vectors
from adloom.loop.catalogue.feeds.refusals import FeedRow, Refusal
from adloom.loop.catalogue.hashes import text_hash
from adloom.loop.catalogue.intake.picture_sources import NoPicture, PictureNotTold, PictureSource
from adloom.loop.catalogue.intake.report import ImportReport, Note
from adloom.loop.catalogue.pictures.decode import BadPicture
from adloom.loop.catalogue.pictures.intake import Intake, take_in
from adloom.loop.catalogue.product import Product
from adloom.loop.catalogue.rows import Entry, as_told
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.settings.catalogue import CatalogSettings

_ROWS_AT_ONCE = 256
_FETCHING = 8

Advice = Callable[[Product], Iterable[str]]
"""What a user should know of a product that is taken, one line each."""


class Importer:
    """Takes the rows of one feed in.

    Args:
        source: names the feed: products that it has no more are those that came from it.
        pictures: where the products' pictures are.
        advice: asked of each product that is new or changed.
        keep_pictures: a product of which no picture is told keeps the one that it has.
        dry: look at everything and write nothing.
        on_rows: told how many rows were looked at, again and again.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        settings: CatalogSettings,
        source: str,
        pictures: PictureSource,
        *,
        advice: Advice = lambda product: (),
        keep_pictures: bool = False,
        dry: bool = False,
        on_rows: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._source = source
        self._pictures = pictures
        self._advice = advice
        self._keep_pictures = keep_pictures
        self._dry = dry
        self._on_rows = on_rows

    def take(self, rows: Iterable[FeedRow | Refusal], report: ImportReport) -> Iterator[str]:
        """Take rows in, many at a time, and count them in ``report``.

        Yields the id of each row that the feed still has, taken or not; iterate to the end.

        Raises OtherTextEncoder where the catalogue's vectors are not those of its encoder.
        """
        self._catalogue.vectors.verify()
        left = iter(rows)
        workers = _FETCHING * (os.cpu_count() or 1)
        with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
            while some := list(islice(left, _ROWS_AT_ONCE)):
                for row in some:
                    if isinstance(row, Refusal):
                        report.refuse(row)
                self._take([row for row in some if isinstance(row, FeedRow)], report, pool)
                self._on_rows(len(some))
                for row in some:
                    yield row.product_id if isinstance(row, Refusal) else row.product.product_id

    def _take(self, rows: Sequence[FeedRow], report: ImportReport, pool: Executor) -> None:
        known = self._catalogue.entries([row.product.product_id for row in rows])
        looked_at = pool.map(lambda row: self._entry(row, known), rows)
        entries: list[Entry] = []
        for row, found in zip(rows, looked_at, strict=True):
            if isinstance(found, Refusal):
                report.refuse(found)
            elif found is None:
                report.unchanged += 1
            else:
                entries.append(found)
                self._tell(row, found, new=found.product.product_id not in known, report=report)
        if entries and not self._dry:
            made = new_vectors(self._catalogue, [entry.product for entry in entries])
            self._catalogue.put(entries, made)

    def _entry(self, row: FeedRow, known: Mapping[str, Entry]) -> Entry | Refusal | None:
        """What is to be kept; None where that is kept already."""
        product = row.product
        before = known.get(product.product_id)
        try:
            product, picture = self._picture_of(product, before)
            stamp = _stamp(product)
            if before is not None and before.picture_stamp == picture and self._has(before.product):
                if before.stamp == stamp and not before.product.retired:
                    return None
                return Entry(
                    replace(
                        product,
                        picture_name=before.product.picture_name,
                        cutout_name=before.product.cutout_name,
                        placement=before.product.placement,
                    ),
                    stamp,
                    picture,
                    before.no_cutout,
                    self._source,
                )
            taken = take_in(self._pictures.content(product), self._settings)
        except (NoPicture, BadPicture) as error:
            told = str(error)
            reason = told if told.startswith("image_link") else f"image_link: {told}"
            return Refusal(row.source, row.line, reason, product.product_id)
        return Entry(
            self._pictured(product, taken),
            stamp,
            picture,
            taken.reason or "",
            self._source,
            taken.hint,
        )

    def _has(self, product: Product) -> bool:
        """Whether the product's pictures are still kept; somebody may have lost the files."""
        names = filter(None, (product.picture_name, product.cutout_name))
        return all(map(self._catalogue.pictures.has, names))

    def _picture_of(self, product: Product, before: Entry | None) -> tuple[Product, str]:
        """The product with its link, and what stands for its picture's state."""
        try:
            return product, text_hash(f"{self._pictures.stamp(product)}/{self._way()}")
        except PictureNotTold:
            if before is None or not self._keep_pictures:
                raise
            return replace(product, image=before.product.image), before.picture_stamp

    def _way(self) -> str:
        """Another way to cut out, or to place what was, makes another picture."""
        given = self._settings
        return given.cutout if given.placement == "ground" else f"{given.cutout}/{given.placement}"

    def _pictured(self, product: Product, taken: Intake) -> Product:
        if self._dry:
            return product
        store = self._catalogue.pictures
        return replace(
            product,
            picture_name=store.put(taken.whole),
            cutout_name="" if taken.cutout is None else store.put(taken.cutout),
            placement=taken.placement,
        )

    def _tell(self, row: FeedRow, entry: Entry, *, new: bool, report: ImportReport) -> None:
        if new:
            report.new += 1
        else:
            report.changed += 1

        def note(kind: str, text: str) -> None:
            report.note(Note(kind, row.source, row.line, entry.product.product_id, text))

        for warning in (*row.warnings, *self._advice(entry.product)):
            note("warning", warning)
        if entry.hint:
            note("warning", f"image_link: {entry.hint}")
        if entry.no_cutout:
            why = f"image_link: cannot be cut out ({entry.no_cutout})"
            note("no_cutout", f"{why}: its ads show the picture whole")


def _stamp(product: Product) -> str:
    told = as_told(product) | {
        "name": product.name,
        "category": product.category,
        "language": product.language,
    }
    return text_hash(json.dumps(told, sort_keys=True))
