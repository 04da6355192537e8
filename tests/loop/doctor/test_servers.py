"""Servers that are set: well, away, silent, refusing the login, or not as they must be."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adloom.loop.bench.redis_server import LocalRedis
from adloom.loop.database.opening import open_database
from adloom.loop.database.revision import REVISION
from adloom.loop.doctor.database import database_check
from adloom.loop.doctor.examine import examine
from adloom.loop.doctor.finding import Finding
from adloom.loop.settings.database import DatabaseSettings
from adloom.loop.settings.pictures import PicturesSettings
from tests.feast_stores import FEASTS_SQLITE
from tests.loop.doctor.looks import looked, settings_of, tree
from tests.postgres_server import PostgresServer
from tests.redis_nodes import RedisNodes, running_sentinels
from tests.s3_server import S3Server, running_s3
from tests.tcp_gate import State, TcpGate

AWAY: list[State] = ["refuse", "drop", "hang"]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        yield server


def redis_told(tmp_path: Path, url: str) -> Finding:
    return online_told(tmp_path, online="redis", redis_url=url)


def online_told(tmp_path: Path, **features: Any) -> Finding:
    return looked(settings_of(tmp_path, features=features), "online store")["online store"]


def test_a_redis_that_is_well(tmp_path: Path, redis: LocalRedis) -> None:
    finding = redis_told(tmp_path, redis.url)
    assert finding.state == "well", finding
    assert f"Redis at {redis.url}" in finding.looked_at
    assert "its clock as ours" in finding.looked_at


def test_a_redis_that_would_lose_features_or_refuses_them(tmp_path: Path) -> None:
    from redis import Redis

    from adloom.loop.bench.redis_server import running_redis

    with running_redis() as server:
        host, port = server.url.split(":")
        admin = Redis(host=host, port=int(port))
        admin.config_set("maxmemory-policy", "allkeys-lru")
        assert "set it to noeviction" in redis_told(tmp_path, server.url).told
        admin.config_set("maxmemory-policy", "noeviction")
        admin.execute_command(
            "ACL SETUSER reader on >secret-of-tests ~* +@read +@connection +info +time +dbsize +acl"
        )
        told = redis_told(tmp_path, f"{server.url},username=reader,password=secret-of-tests")
        assert told.state == "wrong"
        assert "user reader may not hset" in told.told
        told = redis_told(tmp_path, f"{server.url},username=reader,password=wrong-one")
        assert told.state == "wrong"
        assert "the login is refused" in told.told
        assert "wrong-one" not in told.told
        admin.config_set("appendonly", "no")
        assert redis_told(tmp_path, server.url).told == (
            "it keeps nothing on the disk: set appendonly yes"
        )
        keys = admin.dbsize()
        assert keys == 0
        admin.close()


@pytest.mark.parametrize("state", AWAY)
def test_a_redis_that_is_away(tmp_path: Path, redis: LocalRedis, state: State) -> None:
    gate = TcpGate(int(redis.url.split(":")[1]))
    try:
        with gate.being(state):
            finding = redis_told(tmp_path, f"127.0.0.1:{gate.port}")
    finally:
        gate.close()
    assert finding.state == "wrong"
    assert "features.redis_url" in finding.told


def postgres_told(tmp_path: Path, database: DatabaseSettings) -> Finding:
    return looked(settings_of(tmp_path, database=database), "database")["database"]


def test_a_postgres_that_is_well(tmp_path: Path, postgres: PostgresServer) -> None:
    database = postgres.new_database()
    finding = postgres_told(tmp_path, database)
    assert (finding.state, finding.told) == ("well", "")
    assert "revision none yet" in finding.looked_at
    with psycopg.connect(url_of(postgres, database)) as connection:
        made = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert made.fetchone() == (0,)  # looking made none
    open_database(tmp_path, database).dispose()
    finding = postgres_told(tmp_path, database)
    assert (finding.state, finding.told) == ("well", "")
    assert f"revision {REVISION}, its clock as ours" in finding.looked_at


def test_a_postgres_of_another_release_or_a_login_without_rights(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    database = postgres.new_database()
    open_database(tmp_path, database).dispose()
    with psycopg.connect(url_of(postgres, database), autocommit=True) as connection:
        connection.execute("UPDATE adloom_revision SET version_num = '9999'")
        assert "install the newer adloom" in postgres_told(tmp_path, database).told
        connection.execute(f"UPDATE adloom_revision SET version_num = '{REVISION}'")
        connection.execute("CREATE USER reader PASSWORD 'secret-of-tests'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        assert database.url is not None
        as_reader = {
            "url": database.url.replace("adloom@", "reader@"),
            "password": "secret-of-tests",
        }
        told = postgres_told(tmp_path, DatabaseSettings.model_validate(as_reader))
        assert told.state == "wrong"
        assert "reader may not INSERT, UPDATE, DELETE in product" in told.told
    refused = database.model_copy(update={"password": None})
    told = postgres_told(tmp_path, refused)
    assert told.state == "wrong"
    assert "ADLOOM_DATABASE__PASSWORD" in told.told


def test_a_postgres_whose_clock_is_another(tmp_path: Path, postgres: PostgresServer) -> None:
    settings = settings_of(tmp_path, database=postgres.new_database())
    check = database_check(settings, now=lambda: time.time() - 90)
    [finding] = examine([check], lambda error: str(error))
    assert finding.state == "wrong"
    assert "of this machine's: set both by NTP" in finding.told


@pytest.mark.parametrize("state", AWAY)
def test_a_postgres_that_is_away(tmp_path: Path, postgres: PostgresServer, state: State) -> None:
    gate = TcpGate(postgres.port)
    try:
        url = f"postgresql://adloom@127.0.0.1:{gate.port}/shop"
        with gate.being(state):
            finding = postgres_told(tmp_path, DatabaseSettings.model_validate({"url": url}))
    finally:
        gate.close()
    assert finding.state == "wrong"
    assert "database.url" in finding.told


def url_of(server: PostgresServer, database: DatabaseSettings) -> str:
    assert database.url is not None
    assert database.password is not None
    secret = database.password.get_secret_value()
    return f"{database.url}?password={secret.replace(' ', '%20')}"


def pictures_told(tmp_path: Path, pictures: PicturesSettings) -> Finding:
    return looked(settings_of(tmp_path, pictures=pictures), "pictures")["pictures"]


def test_pictures_in_a_bucket(tmp_path: Path, s3: S3Server) -> None:
    place = s3.new_place()
    finding = pictures_told(tmp_path, place)
    assert (finding.state, finding.told) == ("well", "")
    assert s3.objects(place) == {}
    assert tree(tmp_path) == {}
    gone = {"url": f"s3://none-{uuid.uuid4().hex}/p", "endpoint_url": s3.url}
    finding = pictures_told(tmp_path, PicturesSettings.model_validate(gone))
    assert finding.state == "wrong"
    assert "there is no bucket none-" in finding.told


def test_pictures_that_this_login_may_not_write(tmp_path: Path, s3: S3Server) -> None:
    place = s3.new_place()
    with s3.as_reader():
        finding = pictures_told(tmp_path, place)
    assert finding.state == "wrong"
    assert "Access Denied" in finding.told
    assert "its login in the environment" in finding.told
    assert s3.objects(place) == {}


def test_pictures_that_wait_are_noted(tmp_path: Path, s3: S3Server) -> None:
    waiting = tmp_path / "pictures-waiting" / "ab"
    waiting.mkdir(parents=True)
    (waiting / "abcd.webp").write_bytes(b"picture")
    finding = pictures_told(tmp_path, s3.new_place())
    assert finding.state == "note"
    assert "1 pictures wait on this machine" in finding.told


@pytest.mark.parametrize("state", AWAY)
def test_a_bucket_that_is_away(tmp_path: Path, s3: S3Server, state: State) -> None:
    gate = TcpGate(s3.port)
    try:
        place = s3.new_place(gate.port)
        log = {"url": "s3://shop/log", "endpoint_url": place.endpoint_url}
        with gate.being(state):
            found = looked(settings_of(tmp_path, pictures=place, log=log))
    finally:
        gate.close()
    assert found["pictures"].state == found["log"].state == "wrong"
    assert "pictures.endpoint_url" in found["pictures"].told
    assert "s3://shop/log" in found["log"].told + found["log"].looked_at
    assert "log.endpoint_url" in found["log"].told
    assert "\x1b" not in found["log"].told
    assert found["home"].state == "well"
    assert tree(tmp_path) == {}


def test_a_log_in_a_bucket(tmp_path: Path, s3: S3Server) -> None:
    place = s3.new_place()
    assert place.url is not None
    log = {"url": f"{place.url}/log", "endpoint_url": place.endpoint_url}
    finding = looked(settings_of(tmp_path, log=log), "log")["log"]
    assert (finding.state, finding.told) == ("well", "")
    assert "nothing is in it yet" in finding.looked_at
    assert s3.objects(place) == {}


def test_a_store_that_feast_writes(tmp_path: Path) -> None:
    def told(config: dict[str, Any]) -> Finding:
        return online_told(tmp_path, online=FEASTS_SQLITE, online_config=config)

    assert told({"path": str(tmp_path / "by-feast.db")}).state == "well"
    away = told({"path": "/proc/none/by-feast.db"})
    assert away.state == "wrong"
    assert "cannot be used" in away.told
    assert "does not take these settings" in told({"pth": "x"}).told


def test_a_cluster_and_a_mode_that_does_not_fit(
    tmp_path: Path, redis_cluster: RedisNodes, redis: LocalRedis
) -> None:
    cluster = {"online": "redis", "redis_mode": "cluster"}
    assert online_told(tmp_path, **cluster, redis_url=redis_cluster.url).state == "well"
    node = redis_cluster.nodes[0].address
    assert "redis_mode does not fit it: set cluster" in redis_told(tmp_path, node).told
    assert "set single" in online_told(tmp_path, **cluster, redis_url=redis.url).told


def test_a_master_that_sentinels_watch(tmp_path: Path) -> None:
    with running_sentinels() as watched:
        given = {"online": "redis", "redis_mode": "sentinel", "redis_url": watched.url}
        assert online_told(tmp_path, **given, sentinel_master=watched.name).state == "wrong"
        given["sentinel_password"] = watched.password
        found = online_told(tmp_path, **given, sentinel_master=watched.name)
        assert found.state == "well", found
        assert f"{watched.master.port}" in found.looked_at
        assert online_told(tmp_path, **given, sentinel_master="other").state == "wrong"
