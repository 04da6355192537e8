"""Where the parts of the loop keep their things: all of it under ``settings.home``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adloom.feature_store.event_log import LOG_FOLDER, EventLog
from adloom.loop.settings import Settings

# What a command does not open it need not import: torch, Feast and MLflow take their seconds.
if TYPE_CHECKING:
    from adloom.feature_store.store import FeatureStore
    from adloom.loop.catalogue.creatives import CreativeStore
    from adloom.loop.learning.registry import AdRegistry
    from adloom.models.ad_generator import AdGenerator

_FEATURES = "features"


def open_features(settings: Settings) -> FeatureStore:
    """The Feast repo and its stores."""
    from adloom.feature_store.store import FeatureStore

    return FeatureStore.open(settings.features, settings.home / _FEATURES)


def open_log(settings: Settings) -> EventLog:
    """The event log of the features: enough to read what happened."""
    return EventLog(settings.home / _FEATURES / LOG_FOLDER)


def open_creatives(settings: Settings) -> CreativeStore:
    """Every ad that was made."""
    from adloom.loop.catalogue.creatives import CreativeStore

    return CreativeStore(settings.home / "creatives")


def open_registry(settings: Settings) -> AdRegistry:
    """The model registry; the base model is version 1 of a new one."""
    from adloom.loop.learning.registry import AdRegistry
    from adloom.loop.learning.rounds.train import model_config

    registry = AdRegistry(settings.mlflow, settings.home / "mlflow")
    registry.register_base(model_config(settings))
    return registry


def load_generator(settings: Settings) -> AdGenerator:
    """The base model, without adapters."""
    from transformers.utils.logging import disable_progress_bar

    from adloom.models.ad_generator import AdGenerator

    disable_progress_bar()  # the files are small or cached: a bar would only flicker
    given = settings.generator
    return AdGenerator.from_pretrained(given.path, given.device, rows=given.batch_size)
