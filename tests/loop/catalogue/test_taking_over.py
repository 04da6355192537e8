"""`adloom migrate`: what a home kept elsewhere comes into its database, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from adloom.loop.catalogue.opening import open_catalogue, open_creatives, open_neighbours
from adloom.loop.catalogue.taking_over.left_behind import HomeInUse
from adloom.loop.catalogue.taking_over.take_over import take_over
from adloom.loop.catalogue.words.learnt import LearntWords, learn_title_words
from adloom.loop.commands.app import app
from adloom.loop.database.opening import OldHome, open_database
from adloom.loop.database.tables import metadata
from adloom.loop.settings.database import DatabaseSettings
from tests.loop.catalogue.old_home import old_home
from tests.postgres_server import PostgresServer

OLD = ("catalogue/catalogue.db", "creatives/creatives.db")


def rows(home: Path, database: DatabaseSettings) -> dict[str, list[str]]:
    """All that a database has, but who has work in hand."""
    engine = open_database(home, database)
    with engine.connect() as connection:
        found = {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in metadata.sorted_tables
        }
    engine.dispose()
    return found


def hashes(home: Path) -> list[str]:
    return [hashlib.sha256((home / file).read_bytes()).hexdigest() for file in OLD]


def test_a_home_of_an_earlier_release_is_refused_until_it_is_taken_over(
    tmp_path: Path, database: DatabaseSettings
) -> None:
    home = old_home(tmp_path / "home")
    before = hashes(home)
    for opened in (open_catalogue, open_creatives):
        with pytest.raises(OldHome, match=r"catalogue\.db is not taken over.*adloom migrate"):
            opened(home, database=database)
    assert hashes(home) == before

    done = take_over(home, database)
    assert (done.changed, done.products, done.creatives) == (True, 3, 4)
    catalogue, ads = open_catalogue(home, None, database), open_creatives(home, database)
    assert catalogue["mug-0"].retired
    mug = catalogue.selling("mug-1")
    assert (mug.name, mug.selling_points, str(mug.price)) == ("Mug Ä", ("of oak",), "9.90 EUR")
    assert mug.updated == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert [entry.product.product_id for entry in catalogue.page(search="mug ä")] == [
        "mug-1",
        "mug-2",
    ]
    assert len(catalogue.vectors.placed(["mug-0", "mug-1"])) == 2
    assert catalogue.feed_state("feed.csv") == "as it was"
    assert catalogue.revision() >= 7
    drawn = ads.get("drawn-Mug")
    assert (drawn.codes.tolist(), drawn.served_at) == ([1], mug.updated)
    assert [title.number for title in ads.shop_titles(after=0, limit=9)] == [1, 2, 3]
    learn_title_words(catalogue, ads)
    assert LearntWords(catalogue).of("de") == ("fein",)
    catalogue.close()
    ads.close()
    assert not any((home / file).exists() for file in OLD)
    whole = rows(home, database)
    assert take_over(home, database).files == ()
    assert rows(home, database) == whole


def test_ads_of_the_first_releases_are_numbered_in_the_order_of_their_ids(tmp_path: Path) -> None:
    home = old_home(tmp_path, numbered=False)
    take_over(home, DatabaseSettings())
    ads = open_creatives(home)
    numbers = {title.number: title.product_id for title in ads.shop_titles(after=0, limit=9)}
    assert numbers == {1: "mug-0", 2: "mug-1", 3: "mug-2"}
    assert ads.get("ad-of-mug-0").stamp == ""
    ads.close()


def test_killed_in_the_middle_it_changed_nothing_and_ends_the_same_when_it_is_run_again(
    tmp_path: Path, database: DatabaseSettings
) -> None:
    home, other = old_home(tmp_path / "home"), tmp_path / "other"
    shutil.copytree(home, other)
    before = hashes(home)
    assert killed(home, database) == signal.SIGKILL
    assert hashes(home) == before
    with pytest.raises(OldHome):
        open_database(home, database)
    copies = [(file, shutil.copy(home / file, tmp_path)) for file in OLD]
    take_over(home, database)
    whole = rows(home, database)
    if database.url is None:
        take_over(other, database)  # undisturbed
        assert whole == rows(other, database)
    for file, copy in copies:  # as if it were killed before the last step
        os.replace(copy, home / file)
    take_over(home, database)
    again = rows(home, database)
    counters = {"catalogue_revision", "creative_number"}  # these may leave numbers out
    assert {name for name in again if again[name] != whole[name]} <= counters


def killed(home: Path, database: DatabaseSettings) -> int:
    """The signal that ended who took a home over, half of it done."""
    child = os.fork()
    if child == 0:
        try:
            take_over(home, database, lambda rows, total: os.kill(os.getpid(), signal.SIGKILL))
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) * -1


def test_a_home_that_is_in_use_is_not_taken_over(tmp_path: Path) -> None:
    home = old_home(tmp_path)
    with closing(sqlite3.connect(home / OLD[1])) as server:
        server.execute("SELECT count(*) FROM creative").fetchone()
        with pytest.raises(HomeInUse, match=r"creatives\.db is open in another process: stop"):
            take_over(home, DatabaseSettings())
    assert not (home / "adloom.db").exists()
    assert take_over(home, DatabaseSettings()).creatives == 4


def test_homes_of_several_machines_come_together_in_one_postgres(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    shared = postgres.new_database()
    one, other = old_home(tmp_path / "one"), old_home(tmp_path / "other", name="Pan")
    take_over(one, DatabaseSettings())
    with pytest.raises(OldHome, match=r"adloom\.db is not taken over"):
        open_catalogue(one, None, shared)
    catalogue = open_catalogue(one)
    open_neighbours(one, catalogue)._write()
    catalogue.close()
    take_over(one, shared)
    take_over(other, shared)
    catalogue, ads = open_catalogue(one, None, shared), open_creatives(one, shared)
    assert (catalogue.count(), catalogue.count(retired=True), len(ads)) == (4, 2, 8)
    assert [title.number for title in ads.shop_titles(after=0, limit=9)] == [1, 2, 3, 4, 5, 6]
    learn_title_words(catalogue, ads)
    names = {p.product_id for p in open_neighbours(one, catalogue).near("mug-1", 5)}
    assert names == {"mug-2", "pan-1", "pan-2"}
    catalogue.close()
    ads.close()


def test_the_command_tells_what_was_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", str(old_home(tmp_path / "home")))
    refused = CliRunner().invoke(app, ["catalog", "list"])
    assert refused.exit_code == 2
    [line] = refused.stderr.splitlines()
    assert "catalogue.db is not taken over yet: stop what runs on this home, then adloom" in line
    told = json.loads(CliRunner().invoke(app, ["migrate", "--json"]).stdout)
    assert told == {
        "revision": told["revision"],
        "changed": True,
        "taken_over": list(OLD),
        "products": 3,
        "creatives": 4,
        "events": 0,
        "pictures": 0,
        "damaged_pictures": [],
    }
    assert CliRunner().invoke(app, ["migrate"]).stdout == "Nothing to do: all is of this release.\n"
    assert CliRunner().invoke(app, ["catalog", "list"]).exit_code == 0
    monkeypatch.setenv("ADLOOM_HOME", str(tmp_path / "new"))
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    assert not (tmp_path / "new").exists()
