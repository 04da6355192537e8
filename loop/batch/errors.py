"""How a batch fails on its way; run again, it goes on."""

from __future__ import annotations


class AdNotDrawn(RuntimeError):
    """An ad that cannot be drawn; the message says of which product, why, and what to do."""


class WorkerFailed(RuntimeError):
    """A worker could not go on; the message says why."""


class AdsHeld(RuntimeError):
    """Ads that may not be shown before a person decides; the message says how many, and how."""
