"""Where the parts of the loop keep their things: all of it under ``settings.home``."""

from __future__ import annotations

from transformers.utils.logging import disable_progress_bar

from feature_store.store import FeatureStore
from loop.creatives import CreativeStore
from loop.registry import AdRegistry
from loop.settings import Settings
from loop.train_round import model_config
from models.ad_generator import AdGenerator


def open_features(settings: Settings) -> FeatureStore:
    """The Feast repo and its stores."""
    return FeatureStore.open(settings.features, settings.home / "features")


def open_creatives(settings: Settings) -> CreativeStore:
    """Every ad that was made."""
    return CreativeStore(settings.home / "creatives")


def open_registry(settings: Settings) -> AdRegistry:
    """The model registry; the base model is version 1 of a new one."""
    registry = AdRegistry(settings.mlflow, settings.home / "mlflow")
    registry.register_base(model_config(settings))
    return registry


def load_generator(settings: Settings) -> AdGenerator:
    """The base model, without adapters."""
    disable_progress_bar()  # the files are small or cached: a bar would only flicker
    given = settings.generator
    return AdGenerator.from_pretrained(given.path, given.device, rows=given.batch_size)
