"""A version's adapter, from where MLflow keeps its files."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from adloom.loop.learning.kept_adapters import UnfitVersion
from adloom.loop.learning.mlflow_client import transfers
from adloom.loop.learning.pyfunc_model import ADAPTER_PATH
from adloom.loop.learning.registry_errors import RegistryRefused


def downloaded_adapter(version: str, tracking_uri: str, into: Path) -> Path:
    """The folder of the adapter, which is somewhere in ``into``.

    Args:
        version: as MLflow names it, such as ``models:/adloom-ad-generator/3``.

    Raises:
        UnfitVersion: no adapter was registered with it.
        RegistryUnavailable, RegistryRefused.
    """
    where = f"{version}/{ADAPTER_PATH}"
    try:
        with transfers(tracking_uri):
            found = mlflow.artifacts.download_artifacts(
                artifact_uri=where, dst_path=str(into), tracking_uri=tracking_uri
            )
    except (MlflowException, FileNotFoundError, NotADirectoryError, RegistryRefused) as error:
        if isinstance(error, RegistryRefused) and error.status != HTTPStatus.NOT_FOUND:
            raise
        raise UnfitVersion(f"{version} holds no adapter ({where})") from error
    return Path(found)
