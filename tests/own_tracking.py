"""Runs in an MLflow of a test's own."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from adloom.loop.learning.own_mlflow import own_database, own_file


def track_under(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the rest of the test, whatever was set for the process by one before."""
    from mlflow.tracking._tracking_service import utils

    monkeypatch.setattr(utils, "_tracking_uri", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")


def with_tables(folder: Path) -> Path:
    """The folder, with the database as adloom makes it: MLflow takes seconds for its tables."""
    if not own_file(folder).exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy(_made(), own_file(folder))
        own_file(folder).chmod(0o600)  # as all that adloom keeps
    return folder


@contextmanager
def tables_made_once() -> Iterator[None]:
    """A new SQLite file that MLflow is to make its tables in gets those that it made before."""
    from mlflow.store.db import utils

    made_by_mlflow = utils._initialize_tables

    @cache
    def tables() -> Path:
        file = Path(tempfile.mkdtemp(prefix="adloom-mlflow-")) / "tables.db"
        atexit.register(shutil.rmtree, file.parent, ignore_errors=True)
        engine = create_engine(f"sqlite:///{file}")
        made_by_mlflow(engine)
        engine.dispose()
        return file

    def copied(engine: Engine) -> None:
        if engine.dialect.name != "sqlite":
            made_by_mlflow(engine)
            return
        with closing(sqlite3.connect(tables())) as known, closing(engine.raw_connection()) as new:
            assert isinstance(new.driver_connection, sqlite3.Connection)
            known.backup(new.driver_connection)

    utils._initialize_tables = copied
    try:
        yield
    finally:
        utils._initialize_tables = made_by_mlflow


@cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="adloom-mlflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    own_database(folder)
    return own_file(folder)
