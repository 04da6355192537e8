"""What shoppers clicked, as long as the feature store answers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from adloom.feature_store.backend import (
    FeaturesLost,
    ProgressMoved,
    StoreDamaged,
    StoreUnavailable,
    StoreUnfit,
)
from adloom.feature_store.store import UserHistory

_log = logging.getLogger("adloom.serve")

STORE_PROBLEMS = (StoreUnavailable, StoreUnfit, FeaturesLost, ProgressMoved)


class ReadsHistories(Protocol):
    """The feature store, or what stands for it."""

    def histories(self, user_ids: Iterable[str]) -> dict[str, UserHistory]:
        """The history of every user asked for. Raises StoreUnavailable."""

    def ping(self) -> None:
        """Raises one of `STORE_PROBLEMS`."""


class Histories:
    """Histories of shoppers; None while the feature store is away.

    A read that fails is the last one until :meth:`look` finds the store again: ads are drawn on
    meanwhile, and a store that lets one wait would hold up all of them.
    """

    def __init__(self, features: ReadsHistories) -> None:
        self._features = features
        self.away = False
        self._problem: str | None = None
        self._damaged: Sequence[str] = ()  # users of whom what is kept could not be read

    @property
    def problem(self) -> str | None:
        """Why ads are drawn without a history, in one line; None while they are not."""
        return self._problem if self.away or self._damaged else None

    def read(self, user_ids: Sequence[str]) -> dict[str, UserHistory] | None:
        """The history of every user asked for."""
        if self.away:
            return None
        try:
            return self._features.histories(user_ids)
        except StoreUnavailable as error:
            if isinstance(error, StoreDamaged):
                self._damaged = user_ids
            self._lost(error)
            return None

    def look(self) -> None:
        """See whether the store answers, and can read what it could not."""
        try:
            self._features.ping()
        except (*STORE_PROBLEMS, OSError) as error:
            self._lost(error)
            return
        lost, self.away = self.problem is not None, False
        self._look_at_damage()
        if lost and self.problem is None:
            _log.warning("the feature store is back")

    def _look_at_damage(self) -> None:
        """A row may be damaged that is seen by reading it alone: others are read meanwhile."""
        damaged = self._damaged
        if not damaged:
            return
        try:
            self._features.histories(damaged)
        except (*STORE_PROBLEMS, OSError):
            return
        if self._damaged is damaged:  # no other was met meanwhile
            self._damaged = ()

    def _lost(self, error: Exception) -> None:
        problem = f"ads are drawn without history: {error}"
        if self.problem != problem:
            _log.warning("%s", problem)
        self._problem = problem
        self.away = True
