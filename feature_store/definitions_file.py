"""Feast's registry file: it is made of the definitions, so a damaged one is made anew."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import feast
from feast.repo_config import RepoConfig
from google.protobuf.message import DecodeError

_log = logging.getLogger(__name__)

_DAMAGED = ".damaged"


def applied(config: RepoConfig, definitions: Sequence[Any]) -> feast.FeatureStore:
    """Feast's store, with these definitions and no others in its registry file."""
    try:
        return _applied(config, definitions)
    except DecodeError as error:
        file = Path(config.registry.path)
        _log.warning("%s is damaged (%s) and is made anew", file, error)
        file.replace(file.with_name(file.name + _DAMAGED))
        return _applied(config, definitions)


def _applied(config: RepoConfig, definitions: Sequence[Any]) -> feast.FeatureStore:
    store = feast.FeatureStore(config=config)
    store.apply(list(definitions))
    return store
