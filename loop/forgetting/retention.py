"""What is older than it may be goes: events, ads, plans of rounds, records of topics.

Each step can be done again, and is done anew by the next run where this one is killed.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from adloom.feature_store.taking_back import is_exact, take_back
from adloom.loop.catalogue.creatives.erasing import erase_ads, made_before
from adloom.loop.database.scrubbing import scrub
from adloom.loop.exposures.erasing import count_before, erase_before
from adloom.loop.forgetting.alone import alone
from adloom.loop.forgetting.kept import Kept
from adloom.loop.learning.rounds.forgetting import shorten_plans
from adloom.loop.learning.rounds.turn import RoundUnderWay, turn
from adloom.loop.privacy.reading import first_day
from adloom.stream.retaining import retain

INEXACT = (
    "features in a store without transactions still count what went: run adloom backfill, which "
    "makes them anew from the log; stop the consumers first"
)


class Expired(BaseModel):
    """What was too old; of a dry run, what there is."""

    before: datetime = Field(description="what is from before it goes, UTC")
    dry_run: bool = False
    complete: bool = True
    waits: list[str] = Field(default=[], description="what keeps it from being complete")
    events: int = 0
    creatives: int = 0
    pictures: int = 0
    exposures: int = Field(default=0, description="kept until they are reported, or since then")
    plans: int = Field(default=0, description="plans of rounds that name nobody any more")
    topics: list[str] = Field(default=[], description="topics whose retention is set")


def expire(kept: Kept, retention_days: int, *, dry_run: bool = False) -> Expired:
    """Applies the retention once; consumers and servers may run on.

    Raises as `adloom.loop.forgetting.forget.forget` does.
    """
    before = first_day(datetime.now(UTC), retention_days)
    expired = Expired(before=before, dry_run=dry_run)
    log = kept.features.log
    if dry_run:
        expired.events = sum(map(len, log.before(before)))
        expired.creatives = sum(map(len, made_before(kept.database, before)))
        expired.exposures = count_before(kept.database, before)
        return expired
    with alone(kept):
        for events in log.before(before):
            take_back(kept.features.backend, kept.features.settings, events)
            expired.events += len(events)
        for ads in made_before(kept.database, before):
            gone = erase_ads(kept.database, kept.pictures, ads)
            expired.creatives += gone.creatives
            expired.pictures += gone.pictures
        expired.exposures = erase_before(kept.database, before)
        if expired.exposures:
            scrub(kept.database)
        if expired.events:
            log.erase_before(before)
            kept.features.backend.scrub()
        _shorten_plans(kept, before, expired)
        if kept.kafka is not None:
            expired.topics, waits = retain(kept.kafka, retention_days)
            expired.waits += waits
    if expired.events and not is_exact(kept.features.backend):
        expired.waits.append(INEXACT)
    expired.complete = not expired.waits
    return expired


def _shorten_plans(kept: Kept, before: datetime, expired: Expired) -> None:
    if not kept.rounds.is_dir():
        return
    try:
        with turn(kept.rounds, kept.database) as held, kept.shared_rounds.held(held):
            expired.plans = shorten_plans(kept.rounds, before)
    except RoundUnderWay as error:
        expired.waits.append(str(error))
