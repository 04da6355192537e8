"""The versions of a registered model without MLflow's client, which takes 4 s to import.

A list is wanted at once. A SQLite file is read by SQL, a server by its REST API
(https://mlflow.org/docs/latest/api_reference/rest-api.html).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from adloom.loop.learning.registered_model import Version, version_of
from adloom.loop.learning.registry_errors import mlflow_asked
from adloom.loop.learning.within import LIMIT_SECONDS, SILENCE_SECONDS, TIMEOUT_VARIABLE, within

_PAGE = 200
_MOST_PAGES = 500
_WAYS_OF_ITS_OWN = (  # to log in or to trust, which the client knows
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_WORKSPACE",
)


def listed(tracking_uri: str, name: str) -> list[Version] | None:
    """All versions, oldest first; None where MLflow's client has to be asked.

    Raises:
        RegistryUnavailable, RegistryRefused.
    """
    if tracking_uri.startswith("sqlite:///"):
        return _of_file(Path(tracking_uri.removeprefix("sqlite:///")), name)
    if not tracking_uri.startswith(("http://", "https://")):
        return None
    if any(way in os.environ for way in _WAYS_OF_ITS_OWN):
        return None
    with mlflow_asked(tracking_uri):
        silence = float(os.environ.get(TIMEOUT_VARIABLE, SILENCE_SECONDS))
        limit = max(LIMIT_SECONDS, silence)
        return within(limit, lambda: _of_server(tracking_uri.rstrip("/"), name, silence))


def _of_file(file: Path, name: str) -> list[Version] | None:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as database:
            aliases = dict(
                database.execute(
                    "SELECT alias, version FROM registered_model_aliases WHERE name = ?", (name,)
                )
            )
            tags: dict[int, dict[str, str]] = {}
            for version, key, value in database.execute(
                "SELECT version, key, value FROM model_version_tags WHERE name = ?", (name,)
            ):
                tags.setdefault(version, {})[key] = value
            rows = database.execute(
                "SELECT version, run_id, creation_time, description FROM model_versions "
                "WHERE name = ? AND current_stage != 'Deleted_Internal' ORDER BY version",
                (name,),
            ).fetchall()
    except sqlite3.Error:
        return None
    return [
        version_of(number, run_id, created, tags.get(number, {}), aliases, description)
        for number, run_id, created, description in rows
    ]


def _of_server(uri: str, name: str, silence: float) -> list[Version] | None:
    with requests.Session() as session:
        user, password = (os.environ.get(f"MLFLOW_TRACKING_{w}") for w in ("USERNAME", "PASSWORD"))
        token = os.environ.get("MLFLOW_TRACKING_TOKEN")
        if user and password:
            session.auth = (user, password)
        elif token:
            session.headers["Authorization"] = f"Bearer {token}"
        asked = f"{uri}/api/2.0/mlflow"
        model = _asked(session, f"{asked}/registered-models/get", {"name": name}, silence)
        if model is None:
            return None
        aliases = {
            alias["alias"]: int(alias["version"])
            for alias in model["registered_model"].get("aliases", ())
        }
        found: list[dict[str, Any]] = []
        query = {"filter": f"name='{name}'", "max_results": str(_PAGE)}
        for _ in range(_MOST_PAGES):
            page = _asked(session, f"{asked}/model-versions/search", query, silence)
            if page is None:
                return None
            found += page.get("model_versions", ())
            if not page.get("next_page_token"):
                break
            query["page_token"] = page["next_page_token"]
    versions = (
        version_of(
            int(one["version"]),
            one.get("run_id"),
            int(one["creation_timestamp"]),
            {tag["key"]: tag["value"] for tag in one.get("tags", ())},
            aliases,
            one.get("description"),
        )
        for one in found
    )
    return sorted(versions, key=lambda version: version.number)


def _asked(
    session: requests.Session, url: str, query: Mapping[str, str], silence: float
) -> dict[str, Any] | None:
    """None where the client may know better: of other logins, or that there is no such model."""
    answer = session.get(url, params=dict(query), timeout=silence, allow_redirects=False)
    if answer.status_code != HTTPStatus.OK:
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            answer.raise_for_status()
        return None
    try:
        told = answer.json()
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
