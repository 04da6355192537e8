"""Giving up a round: it is over, and so is its MLflow run. Imports nothing that trains."""

from __future__ import annotations

import logging
from pathlib import Path

from adloom.loop.learning.registry import AdRegistry
from adloom.loop.learning.registry_errors import RegistryRefused, RegistryUnavailable
from adloom.loop.learning.rounds.kept import Abandoned, abandon, head

_log = logging.getLogger(__name__)


def give_up(registry: AdRegistry, kept: Path, reason: str, *, by_hand: bool = False) -> Abandoned:
    """Abandon a round and end its MLflow run, with the reason as a tag.

    A run that is gone, or an MLflow that is away, keeps no round from ending: it is told.
    """
    plan, abandoned = head(kept), abandon(kept, reason)
    if plan is not None:
        try:
            registry.runs.abandon(plan.run_id, reason, "KILLED" if by_hand else "FAILED")
        except (RegistryUnavailable, RegistryRefused) as error:
            _log.warning("MLflow run %s could not be ended: %s", plan.run_id, error)
    return abandoned
