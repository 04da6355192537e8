"""What training commands share: display and MLflow run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

import mlflow
from rich.console import Console
from rich.progress import Progress

from adloom.loop.learning.registry_errors import mlflow_asked
from adloom.loop.progress import Bars
from adloom.models.training.data_parallel import rank


@contextmanager
def training_run(name: str, plan: Mapping[str, object]) -> Iterator[Progress]:
    """Progress on stderr, and the MLflow run in progress or a new one with ``plan`` as parameters.

    Tasks of the bar carry a field ``note``, such as the loss.
    """
    if rank() > 0:  # the first process speaks for all
        yield Bars(Console(), quiet=True)
        return
    with mlflow_asked():
        run = mlflow.start_run(run_name=name) if mlflow.active_run() is None else nullcontext()
        with run, Bars(Console(stderr=True)) as progress:
            mlflow.log_params(dict(plan))
            yield progress
