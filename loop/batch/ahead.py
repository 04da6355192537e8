"""Histories of many shoppers in one read, for an ad maker that asks for few at a time."""

from __future__ import annotations

from collections.abc import Iterable

from adloom.feature_store.store import FeatureStore, UserHistory


class ReadAhead:
    """Stands between the feature store and the ad maker; holds what was read last, and no more."""

    def __init__(self, features: FeatureStore) -> None:
        self._features = features
        self._read: dict[str, UserHistory] = {}

    def read(self, user_ids: Iterable[str]) -> None:
        """Read these now, in the place of those before. Raises StoreUnavailable."""
        self._read = self._features.histories(dict.fromkeys(user_ids))

    def histories(self, user_ids: Iterable[str]) -> dict[str, UserHistory]:
        """Those of them that were read."""
        return {user: self._read[user] for user in user_ids}

    def ping(self) -> None:
        """Asks the store."""
        self._features.ping()
