"""`mlflow models serve` answers as the ad server does."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop import home
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.histories.past_ads import past_ad
from adloom.loop.catalogue.pictures.store import png_bytes
from adloom.loop.learning.versions import load_version
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.requests import AdRequest, Preview, Serving, Variant
from adloom.loop.settings import Settings
from tests.loop_parts import ad_maker, keep_shop_ads, register_adapter, tiny_settings
from tests.mlflow_serving import mlflow_serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = tiny_settings(tmp_path_factory.mktemp("mlflow"))
    assert register_adapter(settings, home.registry_with_base(settings), "fresh") == 2
    return settings


@pytest.fixture(scope="module")
def mlflow_server(settings: Settings) -> Iterator[httpx.Client]:
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": home.open_registry(settings).tracking_uri,
        "ADLOOM_HOME": str(settings.home),
    }
    model = f"models:/{settings.mlflow.model_name}/2"
    mlflow = [sys.executable, "-m", "mlflow"]
    with mlflow_serving(mlflow, model, settings.home, environment) as client:
        yield client


def served_here(settings: Settings, history: tuple[Creative, ...], seed: int) -> tuple[Ad, bytes]:
    """The ad as the ad server draws it, by version 2, and its PNG."""
    registry = home.registry_with_base(settings)
    preview = Preview(
        Variant("v2", 2, settings.generator), tuple(past_ad(ad, ad.codes) for ad in history)
    )
    folder = settings.home / "features"
    with FeatureStore.open(FeatureStoreSettings(), folder) as features:
        maker = ad_maker(settings, features)
        adapter = load_version(maker.generator, registry, registry.version(2))
        product = maker.past_ads.catalogue["running-shoes"]
        request = AdRequest("ann", product, seed, preview=preview)
        [ad] = maker.make([request], Serving("v2", 2, adapter))
    return ad, png_bytes(ad.picture)


@pytest.mark.parametrize("clicks", [0, 2])
def test_the_same_request_and_seed_give_the_same_ad(
    mlflow_server: httpx.Client, settings: Settings, clicks: int
) -> None:
    history = tuple(keep_shop_ads(home.open_creatives(settings), clicks))
    asked: dict[str, Any] = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}
    if history:
        asked["history_titles"] = [ad.title for ad in history]
        asked["history_codes"] = [ad.codes.tolist() for ad in history]
    answer = mlflow_server.post("/invocations", json={"dataframe_records": [asked]})
    [drawn] = answer.raise_for_status().json()["predictions"]
    ad, png = served_here(settings, history, seed=7)
    assert drawn["title"] == ad.creative.title
    assert base64.b64decode(drawn["picture_png"]) == png
