"""Runs in an MLflow of a test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.tracking._tracking_service import utils


def track_under(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the rest of the test, whatever was set for the process by one before."""
    monkeypatch.setattr(utils, "_tracking_uri", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
