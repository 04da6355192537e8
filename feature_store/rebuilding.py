"""All features anew from events, beside those that are in use until the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from adloom.feature_store.backend import Known, OnlineBackend, StoreDamaged
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.progress import last_of
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.updates import ContendedPartition, Updates, stored_progress


def rebuild(
    backend: OnlineBackend,
    settings: FeatureStoreSettings,
    batches: Iterable[Sequence[LoggedEvent]],
) -> Iterator[int]:
    """Applies the batches to an empty store; gives the size of each, and swaps after the last.

    Whatever fails before leaves the features as they were; damaged ones are replaced.
    Raises StoreUnavailable; ContendedPartition when anyone else writes meanwhile.
    """
    try:
        before: Known = stored_progress(backend, settings)
    except StoreDamaged:
        before = {}  # nobody can read on there: whatever it says is replaced
    beside = backend.beside()
    try:
        updates = Updates(beside, settings)
        for events in batches:
            if events:
                updates.apply(events)
                updates.settle(last_of(events))  # what is logged is done
            yield len(events)
        updates.save_progress()
        if not backend.replace(beside, before):
            raise ContendedPartition(
                "consumers write these features: stop them, and begin the rebuild again"
            )
    finally:
        beside.close()
