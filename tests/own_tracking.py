"""Runs in an MLflow of a test's own."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest

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


@cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="adloom-mlflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    own_database(folder)
    return own_file(folder)
