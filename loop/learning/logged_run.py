"""What MLflow keeps of the runs that made versions, read and not changed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.entities import DatasetInput
from mlflow.exceptions import MlflowException

from adloom.loop.learning.registry_errors import RegistryRefused, without_login

if TYPE_CHECKING:
    from mlflow import MlflowClient

_NO_RUN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # it cannot be a run's id


@dataclass(frozen=True)
class LoggedRun:
    """A run.

    Attributes:
        run_id: MLflow's id of it.
        experiment_id: of its experiment.
        params: settings that it ran with, as text.
        metrics: the last value of each.
        datasets: what it learned from, and was judged by.
        artifact_uri: where its files are, without a login.
        files: their paths and sizes in bytes, those of the first level.
    """

    run_id: str
    experiment_id: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    datasets: tuple[DatasetInput, ...]
    artifact_uri: str
    files: Mapping[str, int]


class LoggedRuns:
    """Runs as MLflow keeps them. What asks it raises RegistryUnavailable, RegistryRefused."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def find(self, run_id: str) -> LoggedRun | None:
        """None where no run made it, or that run is gone."""
        if not run_id:
            return None
        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in _NO_RUN:
                return None
            raise
        inputs = run.inputs.dataset_inputs if run.inputs is not None else []
        return LoggedRun(
            run_id=run_id,
            experiment_id=str(run.info.experiment_id),
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
            datasets=tuple(inputs),
            artifact_uri=without_login(str(run.info.artifact_uri)),
            files=dict(_files(self._client, run_id)),
        )

    def file(self, run: LoggedRun, name: str, most_bytes: int) -> bytes | None:
        """One of a run's files; None where there is none, or more of it than ``most_bytes``."""
        if not 0 < run.files.get(name, 0) <= most_bytes:
            return None
        with tempfile.TemporaryDirectory() as scratch:
            fetched = Path(self._client.download_artifacts(run.run_id, name, scratch))
            with fetched.open("rb") as file:
                return file.read(most_bytes)


def _files(client: MlflowClient, run_id: str) -> Iterator[tuple[str, int]]:
    """None of a run whose folder was removed."""
    try:
        found = client.list_artifacts(run_id)
    except (MlflowException, RegistryRefused, OSError):
        return
    for one in found:
        if not one.is_dir:
            yield one.path, int(one.file_size or 0)
