"""An exposure that was kept counts once, at the moment of the first report, or never."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, select

from adloom.loop.database.opening import open_database
from adloom.loop.database.tables import kept_exposures
from adloom.loop.exposures.erasing import ads_of, erase_before, erase_users, others_of_ads
from adloom.loop.exposures.kept import KeptExposures, NotThen, UnknownExposure
from adloom.loop.privacy.reading import Reader
from adloom.loop.privacy.tombstones import Tombstones
from adloom.loop.settings.database import DatabaseSettings
from adloom.stream.events import Exposure
from adloom.stream.forgotten import NOBODY

_DAYS = 7


@pytest.fixture
def engine(tmp_path: Path, database: DatabaseSettings) -> Iterator[Engine]:
    opened = open_database(tmp_path, database)
    yield opened
    opened.dispose()


def made(user: str, ad: str = "ad", ago: timedelta = timedelta(hours=1)) -> Exposure:
    at = datetime.now(UTC) - ago
    return Exposure(
        event_id=str(uuid4()),
        ts=at,
        user_id=user,
        item_id="mug",
        ad_id=ad,
        variant="champion",
        propensity=1.0,
        position=0,
    )


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(
            connection.execute(select(func.count()).select_from(kept_exposures)).scalar_one()
        )


def test_the_first_report_says_when(engine: Engine) -> None:
    kept = KeptExposures(engine, _DAYS)
    one = made("a user\n of any characters \U0001f44b")
    assert kept.keep([one], NOBODY) == {one.event_id}
    kept.keep([one.model_copy(update={"ad_id": "another"})], NOBODY)  # the same request again
    at = one.ts + timedelta(minutes=5)
    first = kept.report(one.event_id, at, NOBODY)
    assert first.event == one.model_copy(update={"ts": at})
    again = kept.report(one.event_id, None, NOBODY)  # it may not have been sent
    assert again == first
    kept.sent(one.event_id)
    last = kept.report(one.event_id, at + timedelta(minutes=5), NOBODY)
    assert (last.event, last.at, last.ad_id) == (None, at, "ad")


def test_a_moment_that_cannot_be_is_refused_and_clocks_may_differ_a_little(engine: Engine) -> None:
    kept = KeptExposures(engine, _DAYS)
    one, other, third = made("ann"), made("bob"), made("cem")
    kept.keep([one, other, third], NOBODY)
    with pytest.raises(NotThen, match="in the future"):
        kept.report(one.event_id, datetime.now(UTC) + timedelta(minutes=6), NOBODY)
    with pytest.raises(NotThen, match="the ad was made only at"):
        kept.report(one.event_id, one.ts - timedelta(minutes=6), NOBODY)
    assert kept.report(one.event_id, one.ts - timedelta(minutes=1), NOBODY).at == one.ts
    ahead = kept.report(other.event_id, datetime.now(UTC) + timedelta(minutes=1), NOBODY).at
    assert ahead <= datetime.now(UTC)
    assert kept.report(third.event_id, None, NOBODY).at > third.ts


def test_what_is_unknown_or_too_old_is_told_and_cleared_by_whoever_keeps_more(
    engine: Engine,
) -> None:
    kept = KeptExposures(engine, _DAYS)
    old = made("ann", ago=timedelta(days=_DAYS, minutes=1))
    kept.keep([old], NOBODY)
    for unknown in (old.event_id, str(uuid4())):
        with pytest.raises(UnknownExposure, match=r"longer ago than 7 days \(serve.report_days\)"):
            kept.report(unknown, None, NOBODY)
    young = made("ann")
    kept.keep([young], NOBODY)
    assert count(engine) == 1
    assert erase_before(engine, datetime.now(UTC)) == 1


def test_nothing_is_kept_or_reported_of_who_is_forgotten(engine: Engine) -> None:
    kept, table = KeptExposures(engine, _DAYS), Tombstones(engine)
    reader = Reader(engine, "a test")
    reader.look()
    before, stays = made("ann"), made("bob")
    kept.keep([before, stays], reader)
    table.begin([table.names().of("ann")], opted_out=True)
    reader._looked = float("-inf")
    reader.look()
    assert kept.keep([made("ann"), stays], reader) == {stays.event_id}
    with pytest.raises(UnknownExposure, match="its shopper is forgotten"):
        kept.report(before.event_id, None, reader)
    assert count(engine) == 1


def test_users_go_with_what_they_alone_were_to_be_shown(engine: Engine) -> None:
    kept = KeptExposures(engine, _DAYS)
    kept.keep([made("ann", "a"), made("ann", "b"), made("bob", "b")], NOBODY)
    assert {user: sorted(ads) for user, ads in ads_of(engine, ["ann", "cem"]).items()} == {
        "ann": ["a", "b"],
        "cem": [],
    }
    assert others_of_ads(engine, ["a", "b"], ["ann"]) == {"b"}
    erase_users(engine, ["ann", "cem"])
    assert ads_of(engine, ["ann", "bob"]) == {"ann": [], "bob": ["b"]}
