"""What shoppers clicked, as long as the feature store answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from adloom.feature_store.store import FeatureStore, StoreUnavailable, UserHistory

_log = logging.getLogger("adloom.serve")


class Histories:
    """Histories of shoppers; None while the feature store is away.

    A read that fails is the last one until :meth:`look` finds the store again: ads are drawn on
    meanwhile, and a store that lets one wait would hold up all of them.
    """

    def __init__(self, features: FeatureStore) -> None:
        self._features = features
        self.away = False

    def read(self, user_ids: Sequence[str]) -> dict[str, UserHistory] | None:
        """The history of every user asked for."""
        if self.away:
            return None
        try:
            return self._features.histories(user_ids)
        except StoreUnavailable as error:
            self._lost(error)
            return None

    def look(self) -> None:
        """See whether the store answers."""
        try:
            self._features.ping()
        except StoreUnavailable as error:
            self._lost(error)
        else:
            if self.away:
                _log.warning("the feature store is back")
            self.away = False

    def _lost(self, error: StoreUnavailable) -> None:
        if not self.away:
            _log.warning("the feature store is away, ads are drawn without history: %s", error)
        self.away = True
