"""Users and days out of the features and the log: what stays is as if they had never been."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adloom.feature_store.checking import check_all
from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore, UserStats
from adloom.feature_store.taking_back import take_back
from adloom.loop.bench.redis_server import LocalRedis

_START = datetime(2026, 3, 1, tzinfo=UTC)
_ANN = "ann-o'neill/7"


def events(many: int, seed: int = 0) -> list[LoggedEvent]:
    """Of three users on three items, over ten days, in two partitions; some come twice."""
    draw = random.Random(seed)
    made: list[LoggedEvent] = []
    for number in range(many):
        if made and draw.random() < 0.1:
            made.append(draw.choice(made)._replace(offset=number))
            continue
        user = draw.choice([_ANN, "bob", "cem"])
        made.append(
            LoggedEvent(
                draw.choice(["click", "exposure", "impression"]),
                f"e{number}",
                _START + timedelta(hours=draw.randrange(240)),
                user,
                draw.choice(["shoe", "tea", "mug"]),
                "adloom.clicks",
                len(user) % 2,
                number,
                "life-1",
                ad_id=draw.choice([None, "ad-1"]),
            )
        )
    return made


@pytest.fixture(params=["sqlite", "redis"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FeatureStore]:
    settings = FeatureStoreSettings(history_length=40, impressions_length=20)
    if request.param == "redis":
        server: LocalRedis = request.getfixturevalue("redis")
        given = {
            "online": "redis",
            "redis_url": server.url,
            "history_length": 40,
            "impressions_length": 20,
        }
        settings = FeatureStoreSettings.model_validate(given)
    with FeatureStore.open(settings, tmp_path / "features") as store:
        store.clear()
        yield store
        store.clear()


def fill(store: FeatureStore, made: list[LoggedEvent]) -> None:
    for start in range(0, len(made), 100):
        store.log.append(made[start : start + 100])
        store.apply(made[start : start + 100])


def bytes_of(store: FeatureStore, name: str) -> list[str]:
    found = subprocess.run(
        ["grep", "-rlaF", name, store.folder], capture_output=True, text=True, check=False
    )
    return found.stdout.splitlines()


def test_of_a_user_that_is_taken_out_no_byte_stays_and_all_else_is_as_before(
    stored: FeatureStore,
) -> None:
    made = events(1_500)
    fill(stored, made)
    bob = stored.user_stats(["bob"])["bob"], stored.history("bob")
    stored.history_at([(_ANN, _START + timedelta(days=20))])
    theirs = stored.log.of_users([_ANN])
    assert {event.user_id for event in theirs} == {_ANN}
    assert sum(event.user_id == _ANN for event in made) == len(theirs)
    counted = take_back(stored.backend, stored.settings, theirs, [_ANN])
    assert counted == len({(e.kind, e.event_id) for e in made if e.user_id == _ANN})
    assert take_back(stored.backend, stored.settings, theirs, [_ANN]) == 0  # once more is no more
    stored.log.erase_users([_ANN])
    stored.backend.scrub()
    assert bytes_of(stored, _ANN) == []
    assert stored.user_stats([_ANN])[_ANN] == UserStats()
    assert (stored.user_stats(["bob"])["bob"], stored.history("bob")) == bob
    assert check_all(stored).differing == 0
    stored.ping()  # nothing is missed


def test_who_writes_meanwhile_takes_rows_that_became_less_for_no_loss(
    stored: FeatureStore,
) -> None:
    made = events(600)
    fill(stored, made)
    with FeatureStore.open(stored.settings, stored.folder) as other:
        take_back(other.backend, other.settings, other.log.of_users([_ANN]), [_ANN])
        other.log.erase_users([_ANN])
    later = [
        event._replace(offset=event.offset + 1_000, event_id=f"later-{event.event_id}")
        for event in made
        if event.user_id != _ANN
    ]
    stored.log.append(later)
    stored.apply(later)  # with rows open that had more
    assert check_all(stored).differing == 0
    stored.ping()


def test_days_that_are_over_go_event_by_event(stored: FeatureStore) -> None:
    fill(stored, events(1_500))
    over = _START + timedelta(days=4, hours=7)
    for part in stored.log.before(over):
        assert all(event.ts < over for event in part)
        take_back(stored.backend, stored.settings, part)
    for part in stored.log.before(over):  # as after a crash
        assert take_back(stored.backend, stored.settings, part) == 0
    stored.log.erase_before(over)
    first, _ = stored.log.ends() or (None, None)
    assert first is not None
    assert first >= over
    assert min(stored.history("bob").clicked_at) >= over
    assert check_all(stored).differing == 0
    stored.ping()
