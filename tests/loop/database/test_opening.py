"""A database is made by migrations, and one of another release is refused in words."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import OperationalError
from pydantic import ValidationError
from sqlalchemy import Engine, inspect, select, text

from adloom.loop.catalogue.opening import open_catalogue, open_creatives
from adloom.loop.catalogue.taking_over.take_over import take_over
from adloom.loop.database import answering, migrations, revision
from adloom.loop.database.answering import AnsweringConnection
from adloom.loop.database.health import DatabaseUnusable
from adloom.loop.database.opening import open_database
from adloom.loop.database.postgres import ServerHealth
from adloom.loop.database.revision import OtherRevision, upgrade
from adloom.loop.database.tables import creatives, metadata
from adloom.loop.settings.database import DatabaseSettings
from tests.postgres_server import PostgresServer
from tests.tcp_gate import TcpGate

_LATER_TABLES = (
    *("round_file", "privacy", "forgotten_user", "forgetting_reader", "creative_review"),
    *("creative_look", "pool_creative", "answered_ad", "creative_revision", "ranker"),
    "kept_exposure",
    *("banned_picture", "word_review"),
)
_LATER_INDEXES = (
    *("ix_creative_picture", "ix_creative_waiting", "ix_product_shelf", "ix_creative_made"),
    *("ix_product_picture_name", "ix_product_cutout_name"),
)


def renamed(engine: Engine, number: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE adloom_revision SET version_num = '{number}'"))


def test_migrations_make_the_tables_that_are_known(
    tmp_path: Path, database: DatabaseSettings
) -> None:
    engine = open_database(tmp_path, database)
    with engine.connect() as connection:
        options = {"compare_type": True, "version_table": "adloom_revision"}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_current_head() == revision.REVISION


def test_a_database_of_another_release_is_refused_and_an_older_one_led_to_migrate(
    tmp_path: Path, database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(tmp_path, database)
    renamed(engine, "0000")
    with pytest.raises(OtherRevision, match=r"of revision 0000, .* then adloom migrate$"):
        open_catalogue(tmp_path, None, database)
    renamed(engine, "9999")
    with pytest.raises(OtherRevision, match="install the newer adloom"):
        open_creatives(tmp_path, database)
    with pytest.raises(OtherRevision, match="leads forward only"):
        upgrade(engine)
    renamed(engine, revision.REVISION)
    assert not upgrade(engine)
    engine.dispose()


def test_ads_of_before_tell_no_codebook(tmp_path: Path, database: DatabaseSettings) -> None:
    engine = open_database(tmp_path, database)
    with engine.begin() as connection:
        for later in _LATER_TABLES:
            connection.execute(text(f"DROP TABLE {later}"))
        for index in _LATER_INDEXES:
            connection.execute(text(f"DROP INDEX {index}"))
        for column in ("codebook", "state"):
            connection.execute(text(f"ALTER TABLE creative DROP COLUMN {column}"))
        row = "'a', 'mug', 't', 'p', 'x', 'x', 'champion', '1', 7, '2026-01-02', '', '', NULL"
        connection.execute(text(f"INSERT INTO creative VALUES ({row})"))
    renamed(engine, "0001")
    with pytest.raises(OtherRevision, match=r"of revision 0001, .* then adloom migrate$"):
        open_creatives(tmp_path, database)
    assert take_over(tmp_path, database).changed
    columns = creatives.c.ad_id, creatives.c.codebook, creatives.c.state
    with engine.connect() as connection:
        [found] = connection.execute(select(*columns))
    assert found == ("a", None, "approved")
    engine.dispose()


def test_tables_are_made_all_or_none(
    tmp_path: Path, database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(tmp_path / "other").dispose()  # as it is loaded, so that it can be broken
    broken = "adloom.loop.database.revision._run_migrations"

    def half(connection: object) -> None:
        whole(connection)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    whole = revision._run_migrations
    monkeypatch.setattr(broken, half)
    with pytest.raises(KeyboardInterrupt):
        open_database(tmp_path, database)
    monkeypatch.setattr(broken, whole)
    engine = open_database(tmp_path, database)
    assert set(inspect(engine).get_table_names()) > set(metadata.tables)
    engine.dispose()


def test_a_postgres_that_goes_away_is_told_and_used_again_once_it_is_back(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    database = postgres.new_database()
    catalogue, ads = open_catalogue(tmp_path, None, database), open_creatives(tmp_path, database)
    assert (catalogue.problem(), ads.problem()) == (None, None)
    postgres.stop()
    try:
        for asked in (catalogue.count, lambda: len(ads), lambda: open_database(tmp_path, database)):
            with pytest.raises(DatabaseUnusable, match=r"127\.0\.0\.1.*/shop_\w+ cannot be used"):
                asked()
        assert "see that it runs" in (catalogue.problem() or "")
    finally:
        postgres.start()
    assert (catalogue.problem(), ads.problem()) == (None, None)
    assert catalogue.count() == len(ads) == 0
    catalogue.close()
    ads.close()


def test_a_postgres_that_hangs_is_told_and_used_again_once_it_gets_on(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "ANSWER_SECONDS", 1.0)
    database, gate = postgres.new_database(), TcpGate(postgres.port)
    assert database.url is not None
    behind = database.url.replace(f":{postgres.port}/", f":{gate.port}/")
    catalogue = open_catalogue(tmp_path, None, database.model_copy(update={"url": behind}))
    assert catalogue.count() == 0
    gate.set("stall")
    with pytest.raises(DatabaseUnusable, match=r"cannot be used \(no answer within 1 seconds\)"):
        catalogue.count()
    gate.set("open")
    assert catalogue.count() == 0
    catalogue.close()
    gate.close()


def test_a_machine_that_is_gone_without_a_word_is_noticed_by_the_network(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    engine = open_database(tmp_path, postgres.new_database())
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, AnsweringConnection)
        with socket.socket(fileno=os.dup(driver.fileno())) as ours:
            waits = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
    assert waits == 10_000
    engine.dispose()


def test_migrations_wait_for_one_another_as_long_as_it_takes(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "ANSWER_SECONDS", 0.3)
    engine = open_database(tmp_path, postgres.new_database())
    with ThreadPoolExecutor() as pool:
        with engine.begin() as other:
            other.execute(text(f"SELECT pg_advisory_xact_lock({revision._LOCK})"))
            waits = pool.submit(upgrade, engine)
            with pytest.raises(TimeoutError):
                waits.result(1.0)
        assert waits.result(30) is False
    with pytest.raises(DatabaseUnusable, match="no answer"), engine.connect() as connection:
        connection.execute(text("SELECT pg_sleep(5)"))  # others are bound as before
    engine.dispose()


def test_a_database_that_nobody_made_is_told_as_one(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    database = postgres.new_database()
    assert database.url is not None
    lacking = database.model_copy(update={"url": database.url.rsplit("/", 1)[0] + "/nowhere"})
    with pytest.raises(DatabaseUnusable, match=r'"nowhere" does not exist\): make it \(createdb\)'):
        open_database(tmp_path / "home", lacking)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "server closed the connection unexpectedly\n\tThis probably means the server\n"
            "\tterminated abnormally\n\tbefore or while processing the request.",
            "(server closed the connection unexpectedly)",
        ),
        ("first\nconnection is lost", "(connection is lost)"),
        ("", "(OperationalError)"),
    ],
)
def test_what_postgres_met_is_told_and_not_what_its_library_guesses(said: str, told: str) -> None:
    found = ServerHealth("db/shop").unusable(OperationalError(said))
    assert told in str(found)


def test_a_wrong_password_is_told_without_the_password(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    wrong = DatabaseSettings.model_validate(
        {"url": postgres.new_database().url, "password": "hush-hush"}
    )
    with pytest.raises(DatabaseUnusable, match="ADLOOM_DATABASE__PASSWORD") as raised:
        open_database(tmp_path, wrong)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://ann:hush@db/shop", "keep the password out of it"),
        ("mysql://ann@db/shop", "not the address of a Postgres database"),
        ("postgresql://db", "not the address of a Postgres database"),
    ],
)
def test_an_address_that_will_not_do_is_refused(url: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        DatabaseSettings(url=url)
