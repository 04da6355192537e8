"""A version of what a run made: its files in MLflow, and a number."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow

from adloom.loop.learning import pyfunc_model


def register_run(
    run_id: str,
    model: str,
    adapter: Path | None,
    model_config: Mapping[str, Any],
    tags: Mapping[str, str],
    card: str | None,
) -> int:
    """The number of the new version of ``model``; see ``AdRegistry.register`` for the rest."""
    kind = {"adapter": "none" if adapter is None else "lora"}
    uri = pyfunc_model.log(run_id, adapter, model_config, card)
    with contextlib.redirect_stderr(io.StringIO()):  # it tells each step there
        registered = mlflow.register_model(uri, model, tags={**tags, **kind})
    return int(registered.version)
