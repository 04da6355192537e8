"""What the settings ask for, opened: Feast's stores and registry, and the online rows."""

from __future__ import annotations

import logging
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import feast
from feast.errors import FeastExtrasDependencyImportError
from feast.repo_config import RegistryConfig, RepoConfig
from pydantic import ValidationError

from adloom.feature_store.backend import OnlineBackend, StoreUnavailable, StoreUnfit
from adloom.feature_store.defining import Defined, define
from adloom.feature_store.definitions_file import added, applied
from adloom.feature_store.feast_backend import FeastBackend
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
    """Feast's own store, whose registry has the definitions. Raises StoreUnfit, StoreUnavailable.

    The online store is not asked: it may be away.
    """
    views = [view.feast for view in defined.views.values()]
    definitions = [*defined.entities, *views, defined.clicks_in(folder)]
    add = applied if settings.registry is None else added
    online = _online_store(settings, defined, folder)
    if settings.online in ("sqlite", "redis"):
        return add(_config(settings, online, folder), definitions)
    config = _config(settings, online, folder)
    add(_config(settings, None, folder), definitions)
    return feast.FeatureStore(config=config)


def close_feast(store: feast.FeatureStore) -> None:
    """Closes the connection to a SQLite file that Feast opens and never closes: with it the file's
    write-ahead log stays beside it, and later goes by itself.
    """
    online = getattr(store._provider, "online_store", None)
    connection = getattr(online, "_conn", None)
    if online is not None and isinstance(connection, sqlite3.Connection):
        online._conn = None  # who reads by Feast afterwards gets another
        connection.close()


def open_backend(settings: FeatureStoreSettings, defined: Defined, folder: Path) -> OnlineBackend:
    """The rows of the online store; whether it answers is not asked."""
    layout, project = defined.layout.marked(_marks(settings)), settings.project
    if settings.online == "sqlite":
        return SqliteBackend(folder / _SQLITE_FILE, project, layout)
    if settings.online == "redis":
        kind = ClusterBackend if settings.redis_mode == "cluster" else RedisBackend
        moves = settings.redis_mode != "single"
        return kind(partial(connected, settings), project, layout, moves=moves)
    config = _config(settings, _online_store(settings, defined, folder), folder)
    return FeastBackend(config, layout, folder)


def looked_at(settings: FeatureStoreSettings, folder: Path) -> str | None:
    """What keeps Feast from reading another store; None where it can. Nothing is made or changed.

    Raises StoreUnfit.
    """
    defined = defined_by(settings)
    config = _config(settings, _online_store(settings, defined, folder), folder)
    return FeastBackend(config, defined.layout.marked("sealed"), folder).problem()


def _marks(settings: FeatureStoreSettings) -> Marks:
    if settings.online == "sqlite":
        return "none"
    if settings.online == "redis":
        return "plain" if settings.redis_mode == "cluster" else "none"
    return "sealed"


def _config(
    settings: FeatureStoreSettings, online: dict[str, Any] | None, folder: Path
) -> RepoConfig:
    """Raises StoreUnfit."""
    registry: Any = RegistryConfig(path=str(folder / "registry.db"))
    if settings.registry is not None:
        registry = settings.registry.get_secret_value()
    offline = {"type": settings.offline, **settings.offline_config.get_secret_value()}
    if settings.offline == "ray":
        offline.setdefault("storage_path", str(folder / "ray"))
    try:
        config = RepoConfig(
            project=settings.project,
            provider="local",
            repo_path=folder,
            registry=registry,
            online_store=online,
            offline_store=offline,
            entity_key_serialization_version=3,
        )
        assert config.online_store is not None or online is None
        assert config.offline_store is not None
        return config
    except FeastExtrasDependencyImportError as error:
        raise StoreUnfit(f"Feast lacks what this store needs: {_line(error)}") from error
    except ValidationError as error:
        raise StoreUnfit(f"Feast does not take these settings: {_first(error)}") from error
    except Exception as error:  # Feast has a kind for each thing that it does not know
        raise StoreUnfit(f"Feast does not take these settings: {_line(error)}") from error


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, without what was given: it may be secret."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".partition("\n")[0]


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _online_store(
    settings: FeatureStoreSettings, defined: Defined, folder: Path
) -> dict[str, Any] | None:
    """Of Feast; none while the file cannot be used, which keeps nobody from repairing it."""
    if settings.online == "redis":
        return feast_config(settings)
    if settings.online != "sqlite":
        return {"type": settings.online, **settings.online_config.get_secret_value()}
    file = folder / _SQLITE_FILE
    try:
        views = [view.feast for view in defined.views.values()]
        create_tables(file, settings.project, views)
    except StoreUnavailable as error:
        _log.warning("%s", error)
        return None
    return {"type": "sqlite", "path": str(file)}
