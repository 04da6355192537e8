"""A catalogue that follows its feed and what other processes change."""

from __future__ import annotations

import logging
import threading

from adloom.loop.catalogue.claims import claimed
from adloom.loop.catalogue.feed_import import FeedTooShort, import_feed, is_unread
from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
from adloom.loop.catalogue.import_report import ImportReport, Note
from adloom.loop.catalogue.importing import Advice
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.settings.catalogue import CatalogSettings

_log = logging.getLogger("adloom.catalogue")
_LONGEST_IMPORT_SECONDS = 6 * 3_600.0


class CatalogueRefresh:
    """Looks for changes, and reads the feed of the settings when it was written anew.

    ``problem`` is what is wrong with the feed; None while all is well.
    """

    def __init__(self, catalogue: Catalogue, settings: CatalogSettings, advice: Advice) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._advice = advice
        self.problem: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Look at once, and every ``refresh_seconds`` until ``stop`` is set."""
        while not stop.is_set():
            try:
                self.look()
            except Exception as error:
                # What is known goes on being sold while database or feed are away.
                self.problem = str(error)
                _log.exception("the catalogue could not be refreshed")
            stop.wait(self._settings.refresh_seconds)

    def look(self) -> None:
        """Take over what changed."""
        self._catalogue.follow()
        source = self._settings.source
        if source is None:
            return
        try:
            if not is_unread(self._catalogue, source):
                return
            # Of many servers one reads the feed; the others follow.
            with claimed(self._catalogue.engine, source, _LONGEST_IMPORT_SECONDS) as ours:
                if ours:
                    self._tell(
                        import_feed(
                            self._catalogue,
                            source,
                            self._settings,
                            advice=self._advice,
                            report=ImportReport(on_note=self._note),
                        )
                    )
            self.problem = None
        except (FeedUnreadable, FeedTooShort, OSError) as error:
            if self.problem != str(error):
                _log.warning("catalog.source: %s", error)
            self.problem = str(error)

    def _note(self, note: Note) -> None:
        if note.kind == "refused":
            _log.warning("product refused: %s", note)

    def _tell(self, report: ImportReport) -> None:
        if report.written or report.refused:
            _log.info(
                "catalogue: %d new, %d changed, %d retired, %d refused",
                report.new,
                report.changed,
                report.retired,
                report.refused,
            )
