"""Settings and parts of a loop on the tiny untrained generator."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastapi.testclient import TestClient
from mlflow import MlflowClient

from adloom.feature_store.store import FeatureStore
from adloom.loop import home
from adloom.loop.catalogue.creatives.store import Creative, CreativeStore
from adloom.loop.demo.shop.creatives import seed_creatives
from adloom.loop.learning.model_config import model_config
from adloom.loop.learning.registry import AdRegistry
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.server import AdServer
from adloom.loop.settings import Settings, load_settings
from adloom.models.ad_generator import AdGenerator
from adloom.stream.consumer import EventConsumer
from adloom.stream.events import Click, Exposure
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from tests.own_tracking import with_tables
from tests.stocked import stocked
from tests.tiny_model import TINY, tiny_codebook, tiny_model

TEST_HOST = "testserver"  # what Starlette's test client calls the application


def tiny_settings(folder: Path, **given: Any) -> Settings:
    """Settings that keep everything under ``folder`` and draw with the tiny generator."""
    model = folder / "model"
    if not model.exists():
        tiny_model().save_pretrained(model)
    small: dict[str, Any] = {
        "generator": {"path": model},
        "fine_tune": {
            "max_steps": 3,
            "batch_size": 4,
            "rank": 2,
            "checkpoint_every": 1,
            "trend": {"max_steps": 3},
        },
        "rounds": {"min_clicks": 4},
        "gate": {"ads": 2},
    }
    # A process of its own takes seconds to start; tests/loop/serving/test_apart.py has one.
    given["serve"] = {"hosts": [TEST_HOST], "drawing": "here", **given.get("serve", {})}
    settings = load_settings(home=stocked(folder / "home"), **small | given)
    if settings.mlflow.tracking_uri is None:
        with_tables(settings.home / "mlflow")
    return settings


def keep_shop_ads(creatives: CreativeStore, n: int) -> list[Creative]:
    """Ads of the shop with codes drawn at random."""
    rng = np.random.default_rng(0)
    now = datetime.now(UTC)
    kept = []
    for ad in seed_creatives(n, seed=0):
        codes, background = rng.integers(0, 1024, (2, TINY.image_tokens)).astype(np.int16)
        digest = creatives.put_picture(ad.picture(64))
        kept.append(
            Creative(
                ad.ad_id,
                ad.product.product_id,
                ad.title,
                digest,
                codes,
                background,
                "shop",
                "",
                ad.seed,
                now,
                codebook=tiny_codebook(),
            )
        )
    creatives.add(kept)
    return kept


def click_through(
    kafka: KafkaSettings, features: FeatureStore, ads: list[Creative], users: list[str]
) -> None:
    """Each user is shown each ad and clicks it; all of it goes through broker and consumer."""
    start = datetime.now(UTC) - timedelta(hours=2)
    with EventProducer(kafka) as producer, EventConsumer(kafka, features) as consumer:
        for i, ad in enumerate(ads):
            for user in users:
                event: dict[str, Any] = {
                    "user_id": user,
                    "item_id": ad.product_id,
                    "ad_id": ad.ad_id,
                    "variant": "shop",
                }
                at = start + timedelta(seconds=10 * i)
                producer.send(Exposure(event_id=str(uuid.uuid4()), ts=at, **event))
                at += timedelta(seconds=3)
                producer.send(Click(event_id=str(uuid.uuid4()), ts=at, **event))
        producer.flush()
        while consumer.counts.consumed < producer.produced:
            consumer.poll()


def training_ground(settings: Settings, features: FeatureStore) -> TrainingGround:
    """A training ground on the settings' own stores and registry."""
    generator = home.load_generator(settings)
    catalogue = home.open_catalogue(settings)
    past_ads = home.past_ads(catalogue, home.open_creatives(settings), generator)
    registry = home.registry_with_base(settings)
    titles = home.title_words(settings, catalogue).rules
    return home.training_ground(settings, generator, features, past_ads, registry, titles)


def ad_maker(settings: Settings, features: FeatureStore) -> AdMaker:
    """An ad maker on the settings' own stores."""
    generator = home.load_generator(settings)
    catalogue = home.open_catalogue(settings)
    past_ads = home.past_ads(catalogue, home.open_creatives(settings), generator)
    titles = home.title_words(settings, catalogue).rules
    return AdMaker(generator, features, past_ads, settings.generator, titles)


def adapter_folder(settings: Settings, name: str, std: float = 0.2, rank: int = 2) -> Path:
    """An adapter that nobody trained: its weights are drawn at random.

    With a ``std`` of 0.02 the tiny model draws what it draws without.
    """
    folder = settings.home / name
    generator = home.load_generator(settings)
    generator.new_adapter(name, rank=rank, alpha=2 * rank)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in generator.lora_parameters(name).values():
            weight.normal_(std=std)
    generator.save_adapter(name, folder)
    return folder


def register_by_hand(
    settings: Settings,
    registry: AdRegistry,
    adapter: Path | None,
    breaking: Callable[[Path], object] = lambda folder: None,
) -> int:
    """A version with a changed copy of an adapter, of no run; nothing tried whether it draws."""
    source = Path(tempfile.mkdtemp(dir=settings.home))
    if adapter is not None:
        breaking(shutil.copytree(adapter, source / "artifacts" / "adapter"))
    client = MlflowClient(registry.tracking_uri)
    tags = {"adapter": "none" if adapter is None else "lora"}
    made = client.create_model_version(settings.mlflow.model_name, source.as_uri(), tags=tags)
    return int(made.version)


def register_adapter(
    settings: Settings, registry: AdRegistry, name: str, std: float = 0.2, rank: int = 2
) -> int:
    """A version with an adapter that nobody trained, as a round registers it."""
    folder = adapter_folder(settings, name, std, rank)
    run = registry.runs.start(name, params={}, tags={})
    config = model_config(settings.generator)
    return registry.register(run, adapter=folder, model_config=config, tags={}).number


def hand_made_registry(settings: Settings) -> AdRegistry:
    """A registry whose version 1 is the base and champion; MLflow's own checks take seconds."""
    registry = home.open_registry(settings)
    registry.runs  # noqa: B018 - makes the database
    MlflowClient(registry.tracking_uri).create_registered_model(settings.mlflow.model_name)
    registry.promote(register_by_hand(settings, registry, None))
    return registry


def generator_of(maker: AdMaker) -> AdGenerator:
    """What draws for it, in this process."""
    assert isinstance(maker.generator, AdGenerator)
    return maker.generator


def server_of(client: TestClient) -> AdServer:
    """The running parts behind a client's application."""
    server: AdServer = client.app.state.server  # type: ignore[attr-defined]
    return server


def send_clicks(client: TestClient, user: str, ads: Sequence[Creative]) -> None:
    """A shopper clicks each of these ads, as a shop tells of it."""
    clicks = [
        {
            "event_id": f"{user}-{n}",
            "ts": datetime.now(UTC).isoformat(),
            "user_id": user,
            "item_id": ad.product_id,
            "ad_id": ad.ad_id,
        }
        for n, ad in enumerate(ads)
    ]
    client.post("/v1/events", json={"clicks": clicks}).raise_for_status()
