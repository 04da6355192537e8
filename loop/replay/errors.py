"""What can be wrong with a click log."""

from __future__ import annotations


class ClickLogUnavailable(RuntimeError):
    """The click log cannot be had or read; the message says what to do."""


class UnknownLayout(ValueError):
    """What was told of the file does not fit; the message says what to do."""


class ReplayIncomplete(RuntimeError):
    """Events did not reach the features in time."""


class NotPastEvents(ValueError):
    """Rows that are no events; the message names the first of them."""
