"""Feast's registry that others share: well, away, refused, and never with its password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adloom.loop.doctor.finding import Finding
from tests.feature_store.test_feast_names import sql_path
from tests.loop.doctor.looks import looked, settings_of, tree
from tests.postgres_server import PostgresServer

SECRET = "not-for-everybody"


def told(tmp_path: Path, registry: dict[str, Any]) -> Finding:
    found = looked(settings_of(tmp_path / "home", features={"registry": registry}))
    return found["feature registry"]


def test_one_in_a_database_answers_and_nothing_is_made_there(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    path = sql_path(database := postgres.new_database())
    finding = told(tmp_path, {"registry_type": "sql", "path": path})
    assert (finding.state, finding.told) == ("well", "")
    assert database.password is not None
    assert database.password.get_secret_value() not in finding.looked_at
    assert "***" in finding.looked_at


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"postgresql+psycopg://feast:{SECRET}@127.0.0.1:9/feast", "Connection refused"),
        (f"postgresql+nodriver://feast:{SECRET}@127.0.0.1:9/feast", "nodriver"),
        (f"feast:{SECRET}@db", "Could not parse"),
    ],
)
def test_one_that_cannot_be_used_is_told_without_its_password(
    tmp_path: Path, path: str, words: str
) -> None:
    finding = told(tmp_path, {"registry_type": "sql", "path": path})
    assert finding.state == "wrong"
    assert words in finding.told
    assert "see features.registry" in finding.told
    assert SECRET not in f"{finding.looked_at} {finding.told}"


def test_a_file_is_there_or_not_yet(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    assert "not there yet" in told(tmp_path, {"path": str(file)}).looked_at
    file.write_bytes(b"")
    before = tree(tmp_path)
    assert told(tmp_path, {"path": str(file)}).looked_at == str(file)
    assert tree(tmp_path) == before


def test_none_is_told_where_none_is_set(tmp_path: Path) -> None:
    assert "feature registry" not in looked(settings_of(tmp_path / "home"))
