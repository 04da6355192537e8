"""What MLflow keeps of one registered model: its versions, and which of them aliases name."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adloom.loop.learning.registry_errors import mlflow_asked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.entities.model_registry import RegisteredModel as MlflowModel
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

# MLflow reads these: no usage reports, no bars and links in the middle of what we print.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

_IS_FOR = "adloom: draws an ad (title, picture) for a shopper and a product"


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes:
        number: MLflow's version number; 1 is the base model.
        run_id: the MLflow run that made it.
        created: aware, UTC.
        tags: lineage and gate figures, as text.
        aliases: such as ("champion",).
        description: a sentence, empty where nobody gave it one.
    """

    number: int
    run_id: str
    created: datetime
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    description: str = ""

    @property
    def is_base(self) -> bool:
        """True where serving needs no adapter."""
        return self.tags.get("adapter") == "none"


def version_of(
    number: int,
    run_id: str | None,
    created: int,
    tags: Mapping[str, str],
    aliases: Mapping[str, int],
    description: str | None = None,
) -> Version:
    """A version as MLflow tells of it.

    Args:
        created: milliseconds since 1970.
        aliases: the number of the version that each alias names.
    """
    return Version(
        number=number,
        run_id=run_id or "",
        created=datetime.fromtimestamp(created / 1000, UTC),
        tags=dict(tags),
        aliases=tuple(sorted(alias for alias, at in aliases.items() if at == number)),
        description=description or "",
    )


class RegisteredModel:
    """A registered model by name. Reading makes nothing: neither the model nor a database.

    All methods raise RegistryUnavailable and RegistryRefused.
    """

    def __init__(
        self, name: str, uri: str, client: Callable[[], MlflowClient], is_made: Callable[[], bool]
    ) -> None:
        """``client`` may make the database of ``uri``; it is read only where it ``is_made``."""
        self.name = name
        self._uri = uri
        self._client = client
        self._is_made = is_made

    def versions(self) -> list[Version]:
        """All versions, oldest first."""
        aliases = self.aliases()
        found = (
            version_of(
                int(v.version), v.run_id, v.creation_timestamp, v.tags, aliases, v.description
            )
            for v in self._found("")
        )
        return sorted(found, key=lambda v: v.number)

    def of_run(self, run_id: str) -> int | None:
        """The number of the version that a run made."""
        return next((int(v.version) for v in self._found(f" and run_id='{run_id}'")), None)

    def aliases(self) -> dict[str, int]:
        """Version by alias; the version may be deleted."""
        model = self._model()
        return {} if model is None else {a: int(number) for a, number in model.aliases.items()}

    def tag(self, key: str) -> str | None:
        """A tag of the model, not of a version."""
        model = self._model()
        return None if model is None else model.tags.get(key)

    def set_tag(self, key: str, value: str) -> None:
        with mlflow_asked(self._uri):
            self._client().set_registered_model_tag(self.name, key, value)

    def set_alias(self, alias: str, number: int) -> None:
        with mlflow_asked(self._uri):
            self._client().set_registered_model_alias(self.name, alias, str(number))

    def drop_alias(self, alias: str) -> None:
        with mlflow_asked(self._uri):
            self._client().delete_registered_model_alias(self.name, alias)

    def describe(self, number: int, description: str) -> None:
        """What a version is, in a sentence (Markdown)."""
        with mlflow_asked(self._uri):
            self._client().update_model_version(self.name, str(number), description)

    def tag_version(self, number: int, key: str, value: str) -> None:
        with mlflow_asked(self._uri):
            self._client().set_model_version_tag(self.name, str(number), key, value)

    def untag_version(self, number: int, key: str) -> None:
        with mlflow_asked(self._uri):
            self._client().delete_model_version_tag(self.name, str(number), key)

    def remove(self, number: int) -> None:
        """There is no such version any more."""
        with mlflow_asked(self._uri):
            self._client().delete_model_version(self.name, str(number))

    def remove_files(self, number: int, path: str) -> None:
        """Delete what a version has at this path of its model; none is well too."""
        with mlflow_asked(self._uri):
            files = self._files(number)
            if files.list_artifacts(path):
                files.delete_artifacts(path)

    def make(self) -> None:
        """Registers the name, where it is not."""
        from mlflow.exceptions import MlflowException

        if self._model() is None:
            with mlflow_asked(self._uri):
                try:
                    self._client().create_registered_model(self.name, description=_IS_FOR)
                except MlflowException as error:
                    if error.error_code != "RESOURCE_ALREADY_EXISTS":  # made by another process
                        raise

    def _files(self, number: int) -> ArtifactRepository:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        where = self._client().get_model_version_download_uri(self.name, str(number))
        return get_artifact_repository(where, tracking_uri=self._uri)

    def _model(self) -> MlflowModel | None:
        if not self._is_made():
            return None
        from mlflow.exceptions import MlflowException

        with mlflow_asked(self._uri):
            try:
                return self._client().get_registered_model(self.name)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise

    def _found(self, which: str) -> list[ModelVersion]:
        if not self._is_made():
            return []
        with mlflow_asked(self._uri):
            return list(self._client().search_model_versions(f"name='{self.name}'{which}"))


def quiet() -> None:
    """MLflow tells of every table it makes and every requirement; errors are enough here."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # MLflow shows its own deprecated calls to everybody who imports it.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="mlflow")
