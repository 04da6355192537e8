"""Polling until told to end, through outages."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

from adloom.stream import metrics
from adloom.stream.cluster.refusals import refusal_of
from adloom.stream.membership.condition import Condition
from adloom.stream.outages import OF_THE_STREAM, OUTAGES, Pauses
from adloom.stream.settings import KafkaSettings

_log = logging.getLogger(__name__)

_CHECK_EVERY_SECONDS = 5.0


class Polls(Protocol):
    """What is run."""

    def check(self) -> None:
        """Asks whether all that polling needs is there."""

    def poll(self) -> int:
        """Does a piece of the work."""

    def problem(self) -> str | None:
        """What is left to be mended though nothing failed."""


def run_until(
    stop: threading.Event, polls: Polls, condition: Condition, kafka: KafkaSettings, patient: bool
) -> None:
    """Polls until `stop` is set, and keeps the condition up to date, its end too.

    Raises KafkaRefused and what is no outage, unless it is patient: that is for a thread whose
    end nobody would see.
    """
    try:
        _run_until(stop, polls, condition, kafka, patient)
    except BaseException as error:
        told = f"it ended by an error: {type(error).__name__}: {error}"
        condition.set(told, failing=True)
        raise
    condition.set("it has ended", failing=True)


def _run_until(
    stop: threading.Event, polls: Polls, condition: Condition, kafka: KafkaSettings, patient: bool
) -> None:
    pauses = Pauses()
    check_due = time.monotonic()
    unforeseen = ""
    while not stop.is_set():
        try:
            if pauses.failures or time.monotonic() >= check_due:
                polls.check()
                check_due = time.monotonic() + _CHECK_EVERY_SECONDS
            polls.poll()
        except OUTAGES as error:
            refusal = refusal_of(error, kafka)
            if refusal is not None and not patient:
                raise refusal from error
            name, pause = type(error).__name__, pauses.next()
            told = str(refusal or error) or name
            condition.set(told, failing=not isinstance(error, OF_THE_STREAM))
            metrics.FAILURES.labels(name).inc()
            _log.warning("not ready, next try in %.1f s: %s: %s", pause, name, error)
            stop.wait(pause)
        except Exception as error:
            if not patient:
                raise
            told = f"nobody foresaw this, and it is tried again: {type(error).__name__}: {error}"
            condition.set(told, failing=True)
            metrics.FAILURES.labels(type(error).__name__).inc()
            if told != unforeseen:
                _log.exception("not ready: %s", told)
                unforeseen = told
            stop.wait(pauses.next())
        else:
            pauses.end()
            condition.set(polls.problem())
