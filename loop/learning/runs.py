"""MLflow runs: what a round did, by step, as tables and as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from adloom.loop.learning.registry_errors import RegistryRefused

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

_METRICS_A_CALL = 500  # MLflow takes at most 1,000 metrics in one batch
_PARAMS_A_CALL = 100  # and so many of these


class Runs:
    """The runs of one experiment, which is made where there is none."""

    def __init__(self, client: MlflowClient, experiment: str, artifacts: str | None) -> None:
        """``artifacts`` is where files go; None leaves that to the tracking server."""
        self._client = client
        self._experiment = _ensure_experiment(client, experiment, artifacts)

    def start(self, name: str, *, params: Mapping[str, object], tags: Mapping[str, str]) -> str:
        """A new MLflow run; returns its id."""
        run = self._client.create_run(self._experiment, run_name=name, tags=dict(tags))
        told = [Param(key, str(value)) for key, value in params.items()]
        for start in range(0, len(told), _PARAMS_A_CALL):
            self._client.log_batch(run.info.run_id, params=told[start : start + _PARAMS_A_CALL])
        return str(run.info.run_id)

    def log_series(self, run_id: str, name: str, by_step: Mapping[int, float]) -> None:
        """A metric by step; a step is logged once, however often."""
        known = {point.step for point in self._client.get_metric_history(run_id, name)}
        new = {step: value for step, value in by_step.items() if step not in known}
        self.add_to_series(run_id, name, new)

    def add_to_series(self, run_id: str, name: str, by_step: Mapping[int, float]) -> None:
        """The same of steps that were never logged: what a run logged already is not asked."""
        now = _now()
        points = [Metric(name, float(value), now, step) for step, value in by_step.items()]
        self._add(run_id, points)

    def log_metrics(self, run_id: str, values: Mapping[str, float]) -> None:
        """Metrics without steps; each is logged once, however often."""
        known, now = self._client.get_run(run_id).data.metrics, _now()
        new = {name: value for name, value in values.items() if name not in known}
        self._add(run_id, [Metric(name, float(value), now, 0) for name, value in new.items()])

    def _add(self, run_id: str, points: Sequence[Metric]) -> None:
        for start in range(0, len(points), _METRICS_A_CALL):
            self._client.log_batch(run_id, metrics=points[start : start + _METRICS_A_CALL])

    def log_datasets(self, run_id: str, datasets: Sequence[DatasetInput]) -> None:
        """What a run learns from and is judged by; each is logged once, however often."""
        self._client.log_inputs(run_id, list(datasets))

    def log_page(self, run_id: str, text: str, path: str) -> None:
        """A page of Markdown, as a file and as the run's note, which MLflow's UI shows first."""
        self._client.log_text(run_id, text, path)
        self._client.set_tag(run_id, MLFLOW_RUN_NOTE, text)

    def log_dict(self, run_id: str, content: Mapping[str, object], path: str) -> None:
        self._client.log_dict(run_id, dict(content), path)

    def log_table(self, run_id: str, table: pd.DataFrame, path: str) -> None:
        """A table that MLflow's UI shows and compares between runs; logged once, however often."""
        if path not in [artifact.path for artifact in self._client.list_artifacts(run_id)]:
            self._client.log_table(run_id, table, path)

    def log_picture(self, run_id: str, picture: Image.Image, path: str) -> None:
        self._client.log_image(run_id, picture, path)

    def remove_files(self, run_id: str, names: Sequence[str]) -> int:
        """Files of a run go for good, where they are; how many there were. None of a run that is
        gone."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        from adloom.loop.learning.mlflow_client import transfers

        if not self.is_there(run_id):
            return 0
        there = {artifact.path for artifact in self._client.list_artifacts(run_id)}
        uri = self._client.tracking_uri
        with transfers(uri):
            place = self._client.get_run(run_id).info.artifact_uri
            files = get_artifact_repository(place, tracking_uri=uri)
            for name in there.intersection(names):
                files.delete_artifacts(name)
        return len(there.intersection(names))

    def end(self, run_id: str, status: str = "FINISHED") -> None:
        self._client.set_terminated(run_id, status)

    def is_there(self, run_id: str) -> bool:
        """False where a run was deleted, for good or so that MLflow can restore it."""
        try:
            return bool(self._client.get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def abandon(self, run_id: str, reason: str, status: str) -> None:
        """End a run that made nothing, ``status`` KILLED or FAILED; one that is gone stays so."""
        if self.is_there(run_id):
            self._client.set_tag(run_id, "abandoned", reason)
            self.end(run_id, status)


def _ensure_experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """Its id. Raises RegistryRefused where it is deleted."""
    known = client.get_experiment_by_name(name)
    if known is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # made by another process in between
            known = client.get_experiment_by_name(name)
            if known is None:
                raise
    if known.lifecycle_stage == "deleted":
        restore = f"mlflow experiments restore --experiment-id {known.experiment_id}"
        raise RegistryRefused(
            f"the experiment {name!r} is deleted in MLflow: restore it ({restore}), or name "
            "another (mlflow.experiment)",
            status=409,
        )
    return str(known.experiment_id)


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
