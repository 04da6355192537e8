"""What the settings ask for, opened: Feast's stores and registry, and the online rows."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import feast
from feast.repo_config import RegistryConfig, RepoConfig

from adloom.feature_store.backend import OnlineBackend, StoreUnavailable
from adloom.feature_store.defining import Defined, define
from adloom.feature_store.definitions_file import applied
from adloom.feature_store.layout import Marks
from adloom.feature_store.redis_store.backend import RedisBackend
from adloom.feature_store.redis_store.cluster import ClusterBackend
from adloom.feature_store.redis_store.connecting import connected, feast_config
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.sqlite_backend import SqliteBackend
from adloom.feature_store.sqlite_file import create_tables

_log = logging.getLogger(__name__)

_SQLITE_FILE = "online.db"


def defined_by(settings: FeatureStoreSettings) -> Defined:
    """Entities and views under the names of the settings."""
    return define(settings.feast_names(), marked=_marks(settings) != "none")


def open_feast(
    settings: FeatureStoreSettings, defined: Defined, folder: Path
) -> feast.FeatureStore:
    """Feast's own store, whose registry has the definitions. Raises StoreUnfit."""
    views = [view.feast for view in defined.views.values()]
    definitions = [*defined.entities, *views, defined.clicks_in(folder)]
    return applied(_config(settings, defined, folder), definitions)


def open_backend(settings: FeatureStoreSettings, defined: Defined, folder: Path) -> OnlineBackend:
    """The rows of the online store; whether it answers is not asked."""
    layout, project = defined.layout.marked(_marks(settings)), settings.project
    if settings.online == "redis":
        kind = ClusterBackend if settings.redis_mode == "cluster" else RedisBackend
        moves = settings.redis_mode != "single"
        return kind(partial(connected, settings), project, layout, moves=moves)
    return SqliteBackend(folder / _SQLITE_FILE, project, layout)


def _marks(settings: FeatureStoreSettings) -> Marks:
    if settings.online == "redis":
        return "plain" if settings.redis_mode == "cluster" else "none"
    return "none"


def _config(settings: FeatureStoreSettings, defined: Defined, folder: Path) -> RepoConfig:
    return RepoConfig(
        project=settings.project,
        provider="local",
        repo_path=folder,
        registry=RegistryConfig(path=str(folder / "registry.db")),
        online_store=_online_store(settings, defined, folder),
        offline_store={"type": "dask"},
        entity_key_serialization_version=3,
    )


def _online_store(
    settings: FeatureStoreSettings, defined: Defined, folder: Path
) -> dict[str, Any] | None:
    """Of Feast; none while the file cannot be used, which keeps nobody from repairing it."""
    if settings.online == "redis":
        return feast_config(settings)
    file = folder / _SQLITE_FILE
    try:
        views = [view.feast for view in defined.views.values()]
        create_tables(file, settings.project, views)
    except StoreUnavailable as error:
        _log.warning("%s", error)
        return None
    return {"type": "sqlite", "path": str(file)}
