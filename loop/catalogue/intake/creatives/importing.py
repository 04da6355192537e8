"""The shop's own ads into the creative store: what is new is taken in, what is known costs a look.

Each row is looked at by itself, and one that cannot be an ad is refused with its line. An ad never
changes: who clicked it saw it as it was. Rows are taken many at a time, all of them or none, and
always the same ones together; so an import that was killed goes on where it stood, and codes do
not depend on where that was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from PIL import Image

from adloom.loop.catalogue.creatives.store import SHOP, Creative, CreativeStore, KnownAd
from adloom.loop.catalogue.feeds.refusals import FeedUnreadable, shown
from adloom.loop.catalogue.histories.picture_codes import Encoder, as_encoded
from adloom.loop.catalogue.intake.creatives.feeds import CreativeRow, Picture, RefusedCreative
from adloom.loop.catalogue.intake.creatives.pictures import CreativePictures, fingerprint
from adloom.loop.catalogue.intake.picture_sources import NoPicture, PictureLinks
from adloom.loop.catalogue.pictures.decode import BadPicture
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.words.learnt import learn_title_words
from adloom.loop.settings.catalogue import CatalogSettings

_ROWS_AT_ONCE = 64
"""Of which the pictures are in memory, some 100 MB."""
_FETCHING = 8
_MOST_REFUSALS = 1_000
_ANOTHER_ID = "an ad never changes: give it another id"

Row = CreativeRow | RefusedCreative
T = TypeVar("T")


@dataclass
class CreativeReport:
    """Counts of an import, and its first thousand refusals; ``on_refusal`` is told of all.

    ``banned`` of the new ones say a banned word, and are not shown.
    """

    new: int = 0
    unchanged: int = 0
    refused: int = 0
    banned: int = 0
    refusals: list[RefusedCreative] = field(default_factory=list)
    on_refusal: Callable[[RefusedCreative], None] = field(default=lambda refusal: None, repr=False)

    def refuse(self, refusal: RefusedCreative) -> None:
        """Count a row that is not taken."""
        self.refused += 1
        if len(self.refusals) < _MOST_REFUSALS:
            self.refusals.append(refusal)
        self.on_refusal(refusal)

    def summary(self) -> dict[str, Any]:
        """For programs: counts, and the refusals as objects."""
        rows = [
            {"source": row.source, "line": row.line, "ad_id": row.ad_id, "reason": row.reason}
            for row in self.refusals
        ]
        names = ("new", "unchanged", "refused", "banned")
        counts = {name: getattr(self, name) for name in names}
        return {**counts, "refused_rows": rows}


class _Refused(ValueError):
    """Why a row is not taken: one line that names the attribute."""


@dataclass(frozen=True)
class _New:
    """An ad that is to be taken: its pictures as they are kept, the shown one stored already."""

    row: CreativeRow
    stamp: str
    picture_name: str
    picture: Image.Image
    background: Image.Image | None


class CreativeImporter:
    """Takes rows in, from a file or from a program.

    Args:
        settings: which pictures are taken.
        links: where pictures lie that rows give by path or address.
        encoder: gives what makes codes of square pictures; asked only where something is new.
        on_rows: told how many rows were looked at, again and again.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        creatives: CreativeStore,
        settings: CatalogSettings,
        links: PictureLinks,
        encoder: Callable[[], Encoder],
        *,
        on_rows: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._catalogue = catalogue
        self._creatives = creatives
        self._pictures = CreativePictures(settings, links)
        self._encoder = encoder
        self._on_rows = on_rows

    def take(self, rows: Iterable[Row], report: CreativeReport) -> None:
        """Take rows in, count them in ``report``, and learn the words of their titles."""
        workers = _FETCHING * (os.cpu_count() or 1)
        with ThreadPoolExecutor(workers, thread_name_prefix="creatives") as pool:
            for some in _parts(rows):
                refused = [row for row in some if isinstance(row, RefusedCreative)]
                for each in _without_repeats([r for r in some if isinstance(r, CreativeRow)]):
                    refused += self._take(each, report, pool)
                for refusal in sorted(refused, key=lambda refusal: refusal.line):
                    report.refuse(refusal)
                self._on_rows(len(some))
        learn_title_words(self._catalogue, self._creatives)

    def _take(
        self, rows: Sequence[CreativeRow], report: CreativeReport, pool: Executor
    ) -> list[RefusedCreative]:
        """Take rows of different ads in; returns those that are refused."""
        known = self._creatives.known_ads([row.ad_id for row in rows])
        seen = len(rows)
        rows = [r for r in rows if r.ad_id not in known or not self._is_as_before(r, known)]
        report.unchanged += seen - len(rows)
        products = self._catalogue.find(row.product_id for row in rows if row.ad_id not in known)
        refused: list[RefusedCreative] = []
        new: list[_New] = []
        stamps: dict[str, str] = {}
        for row, found in zip(
            rows, pool.map(lambda row: self._looked_at(row, known, products), rows), strict=True
        ):
            if isinstance(found, _Refused):
                refused.append(RefusedCreative(row.source, row.line, row.ad_id, str(found)))
            elif isinstance(found, _New):
                new.append(found)
            else:
                report.unchanged += 1
                stamps[row.ad_id] = found
        if new:
            self._creatives.add(self._made(new))
            report.new += len(new)
        if stamps:
            self._creatives.stamp(stamps)
        return refused

    def _looked_at(
        self, row: CreativeRow, known: Mapping[str, KnownAd], products: Mapping[str, object]
    ) -> _New | str | _Refused:
        """A new ad, or the stamp of one that is known, or why the row is not taken."""
        try:
            if row.ad_id in known:
                return self._compared(row, known[row.ad_id])
            if row.product_id not in products:
                raise _Refused(
                    f"product_id: the catalogue has no {shown(row.product_id)}: import the "
                    "catalogue first (adloom catalog import)"
                )
            stamp, picture, background = self._stamp(row), self._picture(row), self._background(row)
            name = self._creatives.put_picture(picture, lossless=True)
            return _New(row, stamp, name, picture, background)
        except _Refused as refused:
            return refused

    def _is_as_before(self, row: CreativeRow, known: Mapping[str, KnownAd]) -> bool:
        """Whether a look at the files is enough to see that an ad is as it was."""
        before = known[row.ad_id]
        told = before.variant, before.product_id, before.title
        try:
            return told == (SHOP, row.product_id, row.title) and before.stamp == self._stamp(row)
        except _Refused:
            return False

    def _compared(self, row: CreativeRow, known: KnownAd) -> str:
        """The stamp of a known ad that is as it was. Raises _Refused for one that is not."""
        if known.variant != SHOP:
            raise _Refused(f"ad_id: {shown(row.ad_id)} is an ad that adloom drew: give it another")
        for attribute, before, now in (
            ("product_id", known.product_id, row.product_id),
            ("title", known.title, row.title),
        ):
            if before != now:
                raise _otherwise(row, attribute)
        stamp = self._stamp(row)
        if fingerprint(self._picture(row)) != fingerprint(self._creatives.picture(known.picture)):
            raise _otherwise(row, "picture")
        background = self._background(row)
        if known.background != ("" if background is None else fingerprint(background)):
            raise _otherwise(row, "background")
        return stamp

    def _stamp(self, row: CreativeRow) -> str:
        look = self._pictures.stamp
        return f"{_told('picture', look, row.picture)}/{_told('background', look, row.background)}"

    def _picture(self, row: CreativeRow) -> Image.Image:
        return _told("picture", self._pictures.kept, row.picture)

    def _background(self, row: CreativeRow) -> Image.Image | None:
        if row.background == "":
            return None
        return _told("background", self._pictures.kept, row.background)

    def _made(self, new: Sequence[_New]) -> Iterator[Creative]:
        """Creatives of what is new, with their codes."""
        backgrounds = [ad.background for ad in new if ad.background is not None]
        pictures = [as_encoded(kept) for kept in (*(ad.picture for ad in new), *backgrounds)]
        encoder = self._encoder()
        codes = encoder.encode(pictures)
        drawn = iter(codes[len(new) :])
        now = datetime.now(UTC)
        for ad, shown_codes in zip(new, codes[: len(new)], strict=True):
            yield Creative(
                ad_id=ad.row.ad_id,
                product_id=ad.row.product_id,
                title=ad.row.title,
                picture=ad.picture_name,
                codes=shown_codes,
                # The paper's own targets hold the product too.
                background_codes=shown_codes if ad.background is None else next(drawn),
                variant=SHOP,
                version="",
                seed=0,
                served_at=ad.row.created or now,
                background="" if ad.background is None else fingerprint(ad.background),
                stamp=ad.stamp,
                codebook=encoder.codebook_name,
            )


def _told(attribute: str, made: Callable[[Picture], T], picture: Picture) -> T:
    """What is made of a picture. Raises _Refused where it cannot be had."""
    try:
        return made(picture)
    except (NoPicture, BadPicture) as error:
        raise _Refused(f"{attribute}: {error}") from error


def _otherwise(row: CreativeRow, attribute: str) -> _Refused:
    return _Refused(f"ad_id: {shown(row.ad_id)} is known with another {attribute}; {_ANOTHER_ID}")


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """So many rows at a time; what came before a file broke off too."""
    some: list[Row] = []
    try:
        for row in rows:
            some.append(row)
            if len(some) == _ROWS_AT_ONCE:
                yield some
                some = []
    except FeedUnreadable:
        yield some
        raise
    yield some


def _without_repeats(rows: Sequence[CreativeRow]) -> Iterator[list[CreativeRow]]:
    """The first row of each ad id, then what comes of it again: known by then."""
    while rows:
        first: dict[str, CreativeRow] = {}
        again: list[CreativeRow] = []
        for row in rows:
            if row.ad_id in first:
                again.append(row)
            else:
                first[row.ad_id] = row
        yield list(first.values())
        rows = again
