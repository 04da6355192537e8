"""Feast's registry: the file under home is made of the definitions, so a damaged one is made anew.

One that others share is added to, never made anew, and what is theirs in it is not changed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import feast
from feast import Entity
from feast.errors import EntityNotFoundException, FeatureViewNotFoundException
from feast.repo_config import RepoConfig
from google.protobuf.message import DecodeError

from adloom.feature_store.backend import StoreUnavailable, StoreUnfit
from adloom.feature_store.defining import OWN_TAG

_log = logging.getLogger(__name__)

_DAMAGED = ".damaged"
_PROGRESS = "stream_progress"


def applied(config: RepoConfig, definitions: Sequence[Any]) -> feast.FeatureStore:
    """Feast's store, with these definitions and no others in its registry file."""
    try:
        return _applied(config, definitions)
    except DecodeError as error:
        file = Path(config.registry.path)
        _log.warning("%s is damaged (%s) and is made anew", file, error)
        file.replace(file.with_name(file.name + _DAMAGED))
        return _applied(config, definitions)


def added(config: RepoConfig, definitions: Sequence[Any]) -> feast.FeatureStore:
    """Feast's store on a registry of others, with these definitions among theirs.

    An entity that is there already, with the same key, is taken as it is. Raises StoreUnfit where
    a name stands for something else there; StoreUnavailable.
    """
    try:
        store = feast.FeatureStore(config=config)
        new = [one for one in definitions if not _is_there(store, one)]
        if new:
            store.apply(new)
        return store
    except StoreUnfit:
        raise
    except Exception as error:  # of whatever registry
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        raise StoreUnavailable(
            f"Feast's registry cannot be used ({first}): see features.registry"
        ) from error


def other_names(store: feast.FeatureStore, progress: str) -> list[str]:
    """adloom's views in the registry where they have other names than those of the settings.

    Args:
        progress: what the view of the progress is called in the settings: it has another name for
            every other set of names.
    """
    ours = [view for view in store.list_feature_views() if OWN_TAG in view.tags]
    others = [view.name for view in ours if view.tags[OWN_TAG] == _PROGRESS]
    return [name for name in others if name != progress]


def forget_view(store: feast.FeatureStore, name: str) -> None:
    """Takes a view out of the registry."""
    store.delete_feature_view(name)


def _is_there(store: feast.FeatureStore, wanted: Any) -> bool:
    try:
        if isinstance(wanted, Entity):
            return _is_same_entity(store.get_entity(wanted.name), wanted)
        found = store.get_feature_view(wanted.name)
    except (EntityNotFoundException, FeatureViewNotFoundException):
        return False
    if OWN_TAG not in found.tags:
        raise StoreUnfit(
            f"Feast's registry has a feature view {wanted.name} in project {store.project} that is "
            "not adloom's: give adloom's another name in features.names"
        )
    return bool(found.schema == wanted.schema and found.entities == wanted.entities)


def _is_same_entity(found: Entity, wanted: Entity) -> bool:
    if found.join_key != wanted.join_key or found.value_type != wanted.value_type:
        raise StoreUnfit(
            f"Feast's registry has an entity {found.name} with the key {found.join_key} "
            f"({found.value_type.name}), and adloom's has {wanted.join_key} "
            f"({wanted.value_type.name}): set features.user_key or item_key to it, or give "
            "adloom's entity another name"
        )
    return True


def _applied(config: RepoConfig, definitions: Sequence[Any]) -> feast.FeatureStore:
    store = feast.FeatureStore(config=config)
    store.apply(list(definitions))
    return store
