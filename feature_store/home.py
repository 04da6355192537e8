"""Where the feature store keeps its files, for adloom itself and for Feast's command line.

Feast puts environment variables into `feature_store.yaml` but knows no default for one that is
not set. The two classes here, named in that file, give it adloom's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.infra.registry.file import FileRegistryStore
from feast.repo_config import RegistryConfig

_VARIABLE = "ADLOOM_HOME"
_DEFAULT = Path(__file__).resolve().parent.parent / ".adloom"


def default_folder() -> Path:
    """`features` under ADLOOM_HOME, or under `.adloom` beside the package. Absolute."""
    return Path(os.environ.get(_VARIABLE, _DEFAULT)).absolute() / "features"


def offline_table(folder: Path) -> Path:
    """The table that histories at a moment are joined with."""
    return folder.absolute() / "user_clicks.parquet"


class HomeRegistryStore(FileRegistryStore):
    """Feast's registry file, with the default home."""

    def __init__(self, registry_config: RegistryConfig, repo_path: Path) -> None:
        path = _with_default(registry_config.path)
        super().__init__(registry_config.model_copy(update={"path": path}), repo_path)
        Path(path).parent.mkdir(parents=True, exist_ok=True)


class HomeSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """As Feast's own, under the name that Feast looks for beside the class below."""

    type: Any = "adloom.feature_store.home.HomeSqliteOnlineStore"


class HomeSqliteOnlineStore(SqliteOnlineStore):
    """Feast's SQLite online store, with the default home."""

    @staticmethod
    def _get_db_path(config: Any) -> str:
        return _with_default(SqliteOnlineStore._get_db_path(config))


def _with_default(path: str) -> str:
    unset = f"${{{_VARIABLE}}}/features/"
    _, found, rest = path.partition(unset)
    return str(default_folder() / rest) if found else str(Path(path).absolute())
