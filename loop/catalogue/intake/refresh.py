"""A catalogue that follows its feed and what other processes change."""

from __future__ import annotations

import logging
import threading

from adloom.loop.catalogue.feeds.refusals import FeedUnreadable
from adloom.loop.catalogue.intake.feed import FeedTooShort, import_feed, is_unread, written_state
from adloom.loop.catalogue.intake.importing import Advice
from adloom.loop.catalogue.intake.metrics import PROBLEM, count_products
from adloom.loop.catalogue.intake.report import ImportReport, Note
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.database.claims import Claim, claimed
from adloom.loop.settings.catalogue import CatalogSettings

_log = logging.getLogger("adloom.catalogue")
_CLAIM_SECONDS = 900.0  # renewed with every 256 rows
_SETTLE_SECONDS = 1.0  # after which a feed that nobody writes any more is the same
_MOST_TOLD = 1_000


class CatalogueRefresh:
    """Looks for changes, and reads the feed of the settings when it was written anew.

    ``problem`` is what is wrong with the feed; None while all is well.
    """

    def __init__(self, catalogue: Catalogue, settings: CatalogSettings, advice: Advice) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._advice = advice
        self._looked_at: str | None = None  # state of the feed when it last was to be read
        self._failed: str | None = None  # state in which it could not be, to its end
        self._told: set[str] = set()  # refusals of the last reading
        self.problem: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Look at once, and every ``refresh_seconds`` until ``stop`` is set."""
        while not stop.is_set():
            settled = True
            try:
                settled = self.look()
            except Exception as error:
                # What is known goes on being sold while database or feed are away.
                self._tell(str(error), "the catalogue could not be refreshed: %s")
            pause = self._settings.refresh_seconds
            stop.wait(pause if settled else min(pause, _SETTLE_SECONDS))

    def look(self) -> bool:
        """Take over what changed. False where a feed was just written: look again in a moment.

        A feed is read when two looks found it the same, so that it is not read half written.
        """
        self._catalogue.follow()
        source = self._settings.source
        if source is None:
            self._tell(None)
            return True
        try:
            return self._follow(source)
        except (FeedUnreadable, FeedTooShort, OSError) as error:
            self._tell(str(error), "catalog.source: %s")
            return True

    def _follow(self, source: str) -> bool:
        state = written_state(source)
        if not is_unread(self._catalogue, source):
            self._tell(None)
            return True
        if state is not None and state == self._failed:  # nothing new to read
            return True
        if state != self._looked_at:
            self._looked_at = state
            return False
        # Of many servers one reads the feed; the others follow.
        with claimed(self._catalogue.engine, source, _CLAIM_SECONDS) as claim:
            if claim and is_unread(self._catalogue, source):
                try:
                    self._read(source, claim)
                except (FeedUnreadable, FeedTooShort):
                    self._failed = state
                    raise
        self._tell(None)
        return True

    def _read(self, source: str, claim: Claim) -> None:
        told: set[str] = set()

        def note(note: Note) -> None:
            """Of a row that is refused again and again the log speaks once."""
            if note.kind == "refused" and str(note) not in self._told and len(told) < _MOST_TOLD:
                _log.warning("product refused: %s", note)
            if note.kind == "refused":
                told.add(str(note))

        def read(rows: int) -> None:
            claim.renew()

        report = ImportReport(on_note=note)
        try:
            import_feed(
                self._catalogue,
                source,
                self._settings,
                advice=self._advice,
                report=report,
                on_rows=read,
            )
        finally:
            self._told = told
            count_products(report)
            if report.written or report.refused:
                _log.info(
                    "catalogue: %d new, %d changed, %d retired, %d refused",
                    report.new,
                    report.changed,
                    report.retired,
                    report.refused,
                )

    def _tell(self, problem: str | None, words: str = "%s") -> None:
        if problem is not None and problem != self.problem:
            _log.warning(words, problem)
        self.problem = problem
        PROBLEM.labels("feed").set(problem is not None)
