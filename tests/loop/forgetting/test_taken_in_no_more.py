"""Events of who is forgotten: what consumers, replays and backfills do with them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from adloom.feature_store.backend import StoreUnavailable
from adloom.feature_store.logged import LoggedEvent
from adloom.feature_store.store import FeatureStore, UserStats
from adloom.loop import home
from adloom.loop.database.opening import open_database
from adloom.loop.database.tables import readers
from adloom.loop.privacy import reading
from adloom.loop.privacy.reading import Reader, ReadersBusy, wait_for_readers
from adloom.loop.privacy.tombstones import Tombstones
from adloom.loop.replay.click_log import ClickLog
from adloom.loop.replay.layout import Layout
from adloom.loop.replay.new_events import new_by_identity, not_forgotten
from adloom.loop.settings import Settings, load_settings
from adloom.stream.burial import waiting_letters
from adloom.stream.consumer import EventConsumer
from adloom.stream.consuming import consuming
from adloom.stream.events import Click
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import topic_of

_EARLY = datetime.now(UTC) - timedelta(hours=3)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


@pytest.fixture
def tombstones(settings: Settings) -> Iterator[Tombstones]:
    engine = open_database(settings.home)
    yield Tombstones(engine)
    engine.dispose()


def click(user: str, at: datetime, name: str) -> Click:
    return Click(event_id=name, ts=at, user_id=user, item_id="tea")


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def forget(tombstones: Tombstones, user: str, *, opt_out: bool = False) -> None:
    name = tombstones.names().of(user)
    tombstones.begin([name], opt_out)
    tombstones.end([name])


def test_the_database_knows_nobody_by_name(settings: Settings, tombstones: Tombstones) -> None:
    forget(tombstones, "ann")
    name = tombstones.names().of("ann")
    assert name == tombstones.names().of("ann") != tombstones.names().of("bob")
    assert b"ann" not in (settings.home / "adloom.db").read_bytes()
    assert list(tombstones.of([name])) == [name]


def test_a_consumer_learns_while_it_runs_who_is_forgotten(
    settings: Settings, tombstones: Tombstones, kafka: KafkaSettings
) -> None:
    with (
        home.open_features(settings) as features,
        home.who_is_forgotten(settings, "a test") as reader,
        EventProducer(kafka) as producer,
    ):
        consumer = EventConsumer(kafka, features, forgotten=reader)
        with consuming(consumer):
            producer.deliver([click("ann", _EARLY, "1"), click("bob", _EARLY, "1")])
            until(lambda: consumer.counts.consumed == 2)
            name = tombstones.names().of("ann")
            number = tombstones.begin([name])
            assert wait_for_readers(open_database(settings.home), number) == 1
            # What it had read is in the log by now; what comes is not read any more.
            assert {e.user_id for e in features.log.of_users(["ann", "bob"])} == {"ann", "bob"}
            late = [click("ann", datetime.now(UTC), "2"), click("bob", _EARLY, "2")]
            producer.deliver(late)
            no_event = json.dumps({"user_id": "ann", "ts": "yesterday"}).encode()
            producer.send_payload(topic_of(kafka, "click"), b"ann", no_event)
            producer.flush()
            until(lambda: consumer.counts.consumed == 3)
            until(lambda: consumer.counts.dropped.get("forgotten") == 2)
            tombstones.end([name])
            number = tombstones.since(0)[0]
            wait_for_readers(open_database(settings.home), number)
            producer.deliver([click("ann", _EARLY, "3"), click("ann", datetime.now(UTC), "4")])
            until(lambda: consumer.counts.consumed == 4)
            until(lambda: consumer.counts.dropped.get("forgotten") == 3)
        assert features.user_stats(["ann"])["ann"] == UserStats(0, 2)
        assert waiting_letters(kafka) == []
        assert dict(consumer.counts.dead_letters) == {}


def test_who_opted_out_is_left_alone_until_they_opt_in(
    settings: Settings, tombstones: Tombstones
) -> None:
    forget(tombstones, "ann", opt_out=True)
    later = datetime.now(UTC) + timedelta(days=400)
    with home.who_is_forgotten(settings, "a test") as reader:
        assert reader.refuses("ann", later)
        assert not reader.refuses("bob", _EARLY)
    forget_again = tombstones.begin([tombstones.names().of("ann")])
    assert forget_again
    tombstones.end([tombstones.names().of("ann")])
    assert tombstones.opt_in(tombstones.names().of("ann"))
    with home.who_is_forgotten(settings, "a test") as reader:
        assert reader.refuses("ann", _EARLY)
        assert not reader.refuses("ann", later)


def test_who_is_just_being_forgotten_cannot_opt_in(tombstones: Tombstones) -> None:
    name = tombstones.names().of("ann")
    tombstones.begin([name], opted_out=True)
    tombstones.note(name, "{}")
    assert not tombstones.opt_in(name)


def test_forgetting_waits_for_who_takes_events_in_and_for_nobody_who_ended(
    settings: Settings, tombstones: Tombstones
) -> None:
    engine = open_database(settings.home)
    with home.who_is_forgotten(settings, "a busy test") as reader:
        assert reader.look()
        reader.confirm()
        number = tombstones.begin([tombstones.names().of("ann")])
        with pytest.raises(ReadersBusy, match="a busy test, process"):
            wait_for_readers(engine, number, seconds=0.2)
        waiting = threading.Thread(target=wait_for_readers, args=(engine, number))
        waiting.start()
        until(reader.look)
        reader.confirm()
        waiting.join()
        with engine.begin() as connection:  # it is not heard of for half a minute
            connection.execute(update(readers).values(until=0.0, number=-1))
        assert wait_for_readers(engine, number) == 0
    engine.dispose()


def test_who_cannot_ask_for_too_long_takes_nothing_in(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LOOK_SECONDS", 0.0)
    engine = open_database(settings.home)
    with closing(Reader(engine, "a test")) as reader:
        reader.look()
        engine.dispose()
        (settings.home / "adloom.db").rename(settings.home / "away.db")
        reader.look()  # for a while what it knows is worth something
        monkeypatch.setattr(reading, "_WORTH_SECONDS", 0.0)
        with pytest.raises(StoreUnavailable, match="who is forgotten cannot be known"):
            reader.look()
        (settings.home / "away.db").rename(settings.home / "adloom.db")
        reader.look()


def test_a_damaged_database_that_is_put_back_is_asked_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(reading, "_WORTH_SECONDS", reading._TELL_SECONDS)
    file = settings.home / "adloom.db"
    engine = open_database(settings.home)
    with closing(Reader(engine, "a test")) as reader:
        reader.look()  # its connection stays open
        with closing(sqlite3.connect(file)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(file, settings.home / "copy.db")
        file.write_bytes(b"x" * file.stat().st_size)
        with pytest.raises(StoreUnavailable, match=r"adloom\.db is damaged"):
            reader.look()
        (settings.home / "copy.db").replace(file)
        for ending in ("-wal", "-shm"):
            file.with_name(file.name + ending).unlink(missing_ok=True)
        with suppress(StoreUnavailable):  # it sees that it is another file
            reader.look()
        reader.look()


def test_a_click_log_is_sent_without_them(
    settings: Settings, tombstones: Tombstones, tmp_path: Path
) -> None:
    forget(tombstones, "ann")
    file = tmp_path / "clicks.csv"
    rows = [f"{_EARLY.isoformat()},{user},tea,1" for user in ("ann", "bob")]
    file.write_text("\n".join(["ts,user_id,item_id,click", *rows]))
    with home.who_is_forgotten(settings, "a test") as reader:
        log = ClickLog.of(file, Layout(forgotten=reader))
        events = [event for row in log.events("run") for event in row.events]
    assert {event.user_id for event in events} == {"bob"}
    assert dict(log.dropped) == {"forgotten": 2}


def test_a_backfill_leaves_them_out(
    settings: Settings, tombstones: Tombstones, store: FeatureStore
) -> None:
    forget(tombstones, "ann")
    events = [
        LoggedEvent("click", user, _EARLY, user, "tea", "file", 0, number)
        for number, user in enumerate(("ann", "bob"))
    ]
    dropped: Counter[str] = Counter()
    with home.who_is_forgotten(settings, "a test") as reader:
        kept = not_forgotten(new_by_identity(store.log), reader, dropped)(events)
    assert [event.user_id for event in kept] == ["bob"]
    assert dropped == {"forgotten": 1}
