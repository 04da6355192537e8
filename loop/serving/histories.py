"""What shoppers clicked, as long as the feature store answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from adloom.feature_store.backend import (
    FeaturesLost,
    ProgressMoved,
    StoreDamaged,
    StoreUnavailable,
    StoreUnfit,
)
from adloom.feature_store.store import FeatureStore, UserHistory

_log = logging.getLogger("adloom.serve")

STORE_PROBLEMS = (StoreUnavailable, StoreUnfit, FeaturesLost, ProgressMoved)
_DAMAGE_SECONDS = 60.0


class Histories:
    """Histories of shoppers; None while the feature store is away.

    A read that fails is the last one until :meth:`look` finds the store again: ads are drawn on
    meanwhile, and a store that lets one wait would hold up all of them.
    """

    def __init__(self, features: FeatureStore) -> None:
        self._features = features
        self.away = False
        self._problem: str | None = None
        self._damage_until = 0.0

    @property
    def problem(self) -> str | None:
        """Why ads are drawn without a history, in one line; None while they are not."""
        if self.away or time.monotonic() < self._damage_until:
            return self._problem
        return None

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
        except (*STORE_PROBLEMS, OSError) as error:
            self._lost(error)
        else:
            if self.away and self.problem is None:
                _log.warning("the feature store is back")
            self.away = False

    def _lost(self, error: Exception) -> None:
        """A row may be damaged that `look` does not see: that is told for a while."""
        problem = f"ads are drawn without history: {error}"
        if self.problem != problem:
            _log.warning("%s", problem)
        self._problem = problem
        self.away = True
        if isinstance(error, StoreDamaged):
            self._damage_until = time.monotonic() + _DAMAGE_SECONDS
