"""Rows that the online store lost, folded anew from the event log."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from adloom.feature_store.applied import Applied
from adloom.feature_store.backend import Known, OnlineBackend
from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.folding import Fold
from adloom.feature_store.lost_rows import LostRows
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.tables import Tables

_log = logging.getLogger(__name__)


class LogMender:
    """Makes rows anew from those events of the log that are in the features."""

    def __init__(
        self, backend: OnlineBackend, log: EventLog, settings: FeatureStoreSettings
    ) -> None:
        self._backend, self._log, self._settings = backend, log, settings
        self._tables = Tables(backend)

    def __call__(self, lost: LostRows, besides: Sequence[LoggedEvent]) -> None:
        """Write the rows as the log has them, unless others changed them meanwhile.

        Args:
            besides: events that the log may have already and the features have not.

        Raises FeaturesLost where the log knows of fewer events than the rows had;
        StoreUnavailable.
        """
        partitions = self._tables.partitions
        progress = partitions.read((n,) for n in range(self._settings.item_shards))
        as_stored = {partitions.entity_key(key): row.known() for key, row in progress.items()}
        reads = {int(key[0]): row.topics for key, row in progress.items()}
        folded = Fold(self._settings)
        events = self._log.of(list(lost.users), list({item_id for item_id, _ in lost.items}))
        folded.take(Applied(self._log).among(events, reads, besides))
        if not folded.has(lost):
            raise lost.told()
        known = {partitions.view: as_stored}
        self._backend.write(folded.rows(lost), known, lambda: self._found(lost))
        _log.warning("the online store had lost %s: made anew from the event log", lost.named())

    def _found(self, lost: LostRows) -> Known:
        """The counts that the store has now."""
        users, items = self._tables.users, self._tables.items
        return {
            users.view: {
                users.entity_key(key): row.counts.stored_values()
                for key, row in users.read((name,) for name in lost.users).items()
            },
            items.view: {
                items.entity_key(key): row.stored_values()
                for key, row in items.read(lost.items).items()
            },
        }
