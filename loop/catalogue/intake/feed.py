"""A feed into the catalogue: a file, a folder, or an address."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from adloom.loop.catalogue.feeds.files import feed_files
from adloom.loop.catalogue.feeds.reading import read_feed
from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
from adloom.loop.catalogue.hashes import text_hash
from adloom.loop.catalogue.intake.importing import Advice, Importer
from adloom.loop.catalogue.intake.picture_sources import LinkedPictures
from adloom.loop.catalogue.intake.report import ImportReport
from adloom.loop.catalogue.pictures.fetch import CannotFetch, fetch
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.settings.catalogue import CatalogSettings

_MAX_FEED_BYTES = 20 << 30
_FEED_SECONDS = 3_600.0


class FeedTooShort(ValueError):
    """A feed has so few of the products that it had that it is likelier cut off than right."""


def import_feed(
    catalogue: Catalogue,
    feed: str,
    settings: CatalogSettings,
    *,
    advice: Advice = lambda product: (),
    dry: bool = False,
    force: bool = False,
    report: ImportReport | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> ImportReport:
    """Take in a file, a folder of feeds, or what an https address answers.

    Args:
        feed: where it is.
        advice, dry, on_rows: see :class:`Importer`.
        force: retire what the feed has no more, however much that is.
        report: counts go here.

    Raises:
        FeedUnreadable: the feed cannot be read, or not to its end; what came before is taken.
        FeedTooShort: it would retire more than half of its products; none of them is.
    """
    report = report or ImportReport()
    with _at_hand(feed, settings) as path:
        folder = None if _is_address(feed) else (path if path.is_dir() else path.parent)
        source = feed if _is_address(feed) else os.path.realpath(path)
        importer = Importer(
            catalogue,
            settings,
            source,
            LinkedPictures(settings, folder),
            advice=advice,
            dry=dry,
            on_rows=on_rows,
        )
        state = _state(path)
        listed = set(importer.take(read_feed(path, settings), report))
        if _state(path) != state:  # somebody writes it: what is missing may be on its way
            raise FeedUnreadable(f"{feed}: was written while it was read; import it again")
        if settings.missing == "retire" and not dry:
            report.retired += _retire_missing(catalogue, source, listed, force=force)
        if not (dry or _is_address(feed)):
            catalogue.note_feed(source, state, datetime.now(UTC))
    return report


def is_unread(catalogue: Catalogue, feed: str) -> bool:
    """Whether a feed may have changed since it was imported; an address always may.

    Raises FeedUnreadable, OSError.
    """
    state = written_state(feed)
    return state is None or catalogue.feed_state(os.path.realpath(feed)) != state


def written_state(feed: str) -> str | None:
    """Another one where a feed was written anew; None for an address, of which nobody knows.

    Raises FeedUnreadable, OSError.
    """
    return None if _is_address(feed) else _state(Path(feed))


def _retire_missing(catalogue: Catalogue, source: str, listed: set[str], *, force: bool) -> int:
    missing: list[str] = []
    sold = 0
    for some in catalogue.sold_from(source):
        sold += len(some)
        missing += [product_id for product_id in some if product_id not in listed]
    if len(missing) > sold / 2 and not force:
        raise FeedTooShort(
            f"{source}: has only {sold - len(missing):,} of the {sold:,} products that it had; "
            "nothing is retired (adloom catalog import --force does so)"
        )
    return len(catalogue.retire(missing))


@contextmanager
def _at_hand(feed: str, settings: CatalogSettings) -> Iterator[Path]:
    """The feed as a file or folder."""
    if not _is_address(feed):
        yield Path(feed)
        return
    with tempfile.TemporaryDirectory(prefix="adloom-feed-") as scratch:
        name = Path(urlsplit(feed).path).name or "feed"
        file = Path(scratch) / name
        try:
            fetch(
                feed,
                file,
                hosts=settings.hosts,
                max_bytes=_MAX_FEED_BYTES,
                timeout=_FEED_SECONDS,
            )
        except CannotFetch as error:
            raise FeedUnreadable(f"{feed}: {error}") from error
        yield file


def _is_address(feed: str) -> bool:
    return "://" in feed


def _state(path: Path) -> str:
    """Sizes and times of the files: another one where the feed was written anew."""
    states = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in feed_files(path)
    ]
    return text_hash(repr(states))
