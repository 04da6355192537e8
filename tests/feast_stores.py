"""Settings of online stores that Feast writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.loop.settings.database import DatabaseSettings

FEASTS_SQLITE = "feast.infra.online_stores.sqlite.SqliteOnlineStore"


def by_feasts_sqlite(folder: Path, **given: Any) -> FeatureStoreSettings:
    """A file in the folder."""
    config = {"path": str(folder / "by-feast.db")}
    return FeatureStoreSettings.model_validate(
        {"online": FEASTS_SQLITE, "online_config": config, **given}
    )


def on_postgres(database: DatabaseSettings, **given: Any) -> FeatureStoreSettings:
    """Tables in a database of its own."""
    assert database.url is not None
    assert database.password is not None
    parts = urlsplit(database.url)
    config = {
        "host": parts.hostname,
        "port": parts.port,
        "database": parts.path.strip("/"),
        "user": parts.username,
        "password": database.password.get_secret_value(),
        "db_schema": "public",
        "sslmode": "disable",
    }
    return FeatureStoreSettings.model_validate(
        {"online": "postgres", "online_config": config, **given}
    )
