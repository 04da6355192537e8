"""The event log: a Delta table in a folder or a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from adloom.feature_store.event_log import EventLog
from adloom.feature_store.log_opened import HURRIED
from adloom.feature_store.old_log import OldLog, refuse_old_log
from adloom.loop.doctor.finding import Check, Finding, judged
from adloom.loop.doctor.folders import writable
from adloom.loop.settings import Settings

PART = "log"


def log_check(settings: Settings) -> Check:
    """Of wherever it lies."""
    features = (settings.home / "features").absolute()
    place = settings.log.place(features)
    mended = "log.url, log.endpoint_url and its login in the environment"
    return Check(PART, str(place), mended, partial(_look, settings, features, place))


def _look(settings: Settings, features: Path, place: Path | str) -> Iterator[Finding]:
    told, wrong, notes = str(place), list[str](), list[str]()
    if isinstance(place, Path):
        room, wrong, notes = writable(place, "log.url" if settings.log.url else "home")
        told = f"{place}: {room}"
    try:
        refuse_old_log(features)
    except OldLog as error:
        wrong.append(str(error))
    if settings.log.endpoint_url:
        told += f" at {settings.log.endpoint_url}"
    log = EventLog(place, settings.log.endpoint_url, HURRIED)
    try:
        records, ends = log.records(), log.ends()
    finally:
        log.close()
    if ends is None:
        told += "; nothing is in it yet"
    else:
        told += f"; {records:,} records from {ends[0]:%Y-%m-%d} to {ends[1]:%Y-%m-%d %H:%M} UTC"
    yield judged(PART, told, wrong, notes)
