"""The feature store: what the loop knows of users and items, now and at any earlier moment."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from adloom.feature_store.backend import (
    FeaturesLost,
    OnlineBackend,
    ProgressMoved,
    StoreUnavailable,
    StoreUnfit,
)
from adloom.feature_store.definitions_file import forget_view, other_names
from adloom.feature_store.event_log import EventLog, LoggedEvent
from adloom.feature_store.history import PastHistories
from adloom.feature_store.locking import file_lock
from adloom.feature_store.mending import LogMender
from adloom.feature_store.missing import missing_rows
from adloom.feature_store.naming import Name
from adloom.feature_store.old_log import refuse_old_log
from adloom.feature_store.opening import close_feast, defined_by, open_backend, open_feast
from adloom.feature_store.progress import Progress, Reached
from adloom.feature_store.rebuilding import rebuild
from adloom.feature_store.rows import (
    CountsRow,
    ItemStats,
    UserHistory,
    UserStats,
)
from adloom.feature_store.settings import FeatureStoreSettings, LogSettings
from adloom.feature_store.tables import Tables
from adloom.feature_store.updates import ContendedPartition, Updates

__all__ = [
    "ContendedPartition",
    "FeatureStore",
    "FeaturesLost",
    "ItemStats",
    "ProgressMoved",
    "StoreUnavailable",
    "UserHistory",
    "UserStats",
]

_log = logging.getLogger(__name__)

_OWN_LOG = LogSettings()


class FeatureStore:
    """Feast's stores under one home folder, with the reads and writes of the loop.

    Safe to use from several threads; any number of processes may open the same home. Events of
    one user, and of one partition, must be applied by one of them at a time.
    """

    def __init__(
        self, settings: FeatureStoreSettings, home: Path, log: LogSettings = _OWN_LOG
    ) -> None:
        """Use `open`."""
        folder = home.absolute()
        refuse_old_log(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.settings = settings
        self.log_settings = log
        self.log = EventLog.under(log, folder)
        defined = defined_by(settings)
        with file_lock(folder / "apply.lock"):  # Feast's registry is one file, written in place
            self.feast = open_feast(settings, defined, folder)
            progress = defined.views["stream_progress"].feast.name
            self._earlier = other_names(self.feast, progress)
        self._histories_then = PastHistories(self.feast, self.log, folder, settings.feast_names())
        self._backend = open_backend(settings, defined, folder)
        self._tables = Tables(self._backend)
        self._mender = LogMender(self._backend, self.log, settings)
        self._updates = Updates(self._backend, settings, self._mender)
        try:
            self._backend.check()
        except StoreUnavailable:
            pass  # whoever needs it will find out, and may wait for it
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, settings: FeatureStoreSettings, home: Path, log: LogSettings = _OWN_LOG) -> Self:
        """Opens the store under `home`; what is missing is made. Raises StoreUnfit."""
        return cls(settings, home, log)

    def close(self) -> None:
        """Lets go of the connections to the online store, and of the log."""
        self.log.close()
        close_feast(self.feast)
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def name(self) -> Name:
        """The same for all who share features and log. Raises StoreUnavailable."""
        features, log = self._backend.name(), self.log.name()
        return Name(f"{features.key} {log.key}", f"{features.told}, its log {log.told}")

    def ping(self) -> None:
        """Asks the online store, and holds it against what was written.

        Raises StoreUnavailable; StoreUnfit; ProgressMoved; FeaturesLost.
        """
        self._refuse_other_names()
        self._backend.check()
        if missing := self._updates.check():
            self._mend_missing(missing)

    def _refuse_other_names(self) -> None:
        """Rows under two sets of names would count for one another."""
        if self._earlier:
            raise StoreUnfit(
                "the features were made under other names than the settings have now: set these "
                "back, or run adloom backfill, which makes the features anew under the new ones"
            )

    def _mend_missing(self, rows: int) -> None:
        _log.warning("%d rows of the online features are gone: looking for them in the log", rows)
        for lost in missing_rows(self._backend, self.log):
            self._mender(lost, ())
        if missing := self._updates.check():
            raise FeaturesLost(
                f"{missing:,} rows of the online features are gone, and the event log does not "
                "have them: run adloom backfill, which makes all features anew from the log"
            )

    def history(self, user_id: str) -> UserHistory:
        """The newest clicks of a user; empty for one who is not known."""
        return self.histories([user_id])[user_id]

    def histories(self, user_ids: Iterable[str]) -> dict[str, UserHistory]:
        """The history of every user asked for."""
        names = list(dict.fromkeys(user_ids))
        rows = self._tables.histories.read((name,) for name in names)
        found = {str(key[0]): row.history() for key, row in rows.items()}
        if not self.settings.impressions_length:
            return found
        seen = self._tables.impressions.read((name,) for name in names)
        return {name: replace(found[name], seen=seen[name,].seen()) for name in names}

    def history_at(
        self, moments: Sequence[tuple[str, datetime]], limit: int | None = None
    ) -> list[UserHistory]:
        """For each (user id, aware moment), the clicks strictly before the moment.

        At most `history_length` of them, the newest, or `limit` if that is less. The answer
        comes from the event log through Feast's point-in-time join; what was looked at before the
        moment comes from the log alone.
        """
        length = self.settings.history_length
        clicks = length if limit is None else min(limit, length)
        return self._histories_then.at(moments, clicks, self.settings.impressions_length)

    def user_stats(self, user_ids: Iterable[str]) -> dict[str, UserStats]:
        """Counts of every user asked for; zeros for one who is not known."""
        rows = self._tables.users.read((user_id,) for user_id in user_ids)
        return {
            str(key[0]): UserStats(row.counts.impressions, row.counts.clicks)
            for key, row in rows.items()
        }

    def item_stats(self, item_ids: Iterable[str]) -> dict[str, ItemStats]:
        """Counts of every item asked for, over all shards, and its smoothed rate."""
        shards = range(self.settings.item_shards)
        wanted = list(dict.fromkeys(item_ids))
        rows = self._tables.items.read((item_id, shard) for item_id in wanted for shard in shards)
        return {
            item_id: self._item_stats([rows[item_id, shard] for shard in shards])
            for item_id in wanted
        }

    def apply(self, events: Sequence[LoggedEvent], reached: Sequence[Reached] = ()) -> int:
        """Brings the online features up to date; an event that is in them already is left out.

        Events of one partition must be in the order of their offsets. They are not logged.

        Args:
            reached: how far partitions were read for this, beyond the last event.

        Returns the number of rows written. Raises ValueError for a partition beyond
        `item_shards`; StoreUnavailable; ContendedPartition; ProgressMoved; FeaturesLost.
        """
        self._refuse_other_names()
        self.check_shards(events)
        return self._updates.apply(events, reached)

    def settle(self, reached: Iterable[Reached]) -> None:
        """Notes that all up to there is logged, and its dead letters are acknowledged.

        The store learns of it with the next `apply` of the partition, or by `save_progress`.
        """
        self._updates.settle(reached)

    def save_progress(self) -> None:
        """Writes what is settled. Raises as `apply` does."""
        self._updates.save_progress()

    def progress(self, partitions: Iterable[int]) -> dict[int, dict[str, Progress]]:
        """How far each partition number was taken, by topic. Raises StoreUnavailable."""
        return self._updates.progress(partitions)

    def rebuild(self, batches: Iterable[Sequence[LoggedEvent]]) -> Iterator[int]:
        """Makes the online features anew from events; gives the size of each batch once taken.

        They are made beside those that are in use, and take their place after the last batch:
        whatever fails leaves what was there. Afterwards a consumer reads on after the events.
        Raises ValueError for a partition beyond `item_shards`; StoreUnavailable;
        ContendedPartition when consumers write meanwhile.
        """

        def checked() -> Iterator[Sequence[LoggedEvent]]:
            for events in batches:
                self.check_shards(events)
                yield events

        with file_lock(self.folder / "rebuild.lock"):
            yield from rebuild(self._backend, self.settings, checked())
            while self._earlier:
                forget_view(self.feast, self._earlier.pop())
        self._updates.progress(range(self.settings.item_shards))

    def clear(self) -> None:
        """Forgets all online features and how much of the stream was in them; the log stays."""
        self._backend.clear()
        self._updates.progress(range(self.settings.item_shards))

    @property
    def crossed(self) -> int:
        """Events so far of users that came in another partition before."""
        return self._updates.crossed

    @property
    def backend(self) -> OnlineBackend:
        """The rows below, for what counts or compares all of them."""
        return self._backend

    def check_shards(self, events: Sequence[LoggedEvent]) -> None:
        """Raises ValueError where an event is of a partition that has no shard."""
        highest = max((event.partition for event in events), default=0)
        if highest >= self.settings.item_shards:
            raise ValueError(
                f"partition {highest} has no shard: set features.item_shards to the number of "
                f"partitions of the event topics (it is {self.settings.item_shards})"
            )

    def _item_stats(self, shards: Sequence[CountsRow]) -> ItemStats:
        impressions = sum(shard.impressions for shard in shards)
        clicks = sum(shard.clicks for shard in shards)
        seen = max(impressions, clicks)  # an impression may still be on its way
        rate = (clicks + self.settings.prior_clicks) / (seen + self.settings.prior_impressions)
        return ItemStats(impressions, clicks, rate)
