"""Rounds that are kept on a real MLflow server with logins and an artifact proxy."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from adloom.loop import home
from adloom.loop.learning.registry_errors import RegistryRefused
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.train import train_round
from adloom.stream.settings import KafkaSettings
from tests.loop_parts import click_through, keep_shop_ads, tiny_settings, training_ground
from tests.mlflow_server import READER, WRITER, MlflowServer, logged_in


@pytest.fixture
def ground(
    tmp_path: Path, local_kafka: KafkaSettings, guarded_mlflow: MlflowServer
) -> Iterator[TrainingGround]:
    name = f"round-{uuid.uuid4().hex[:8]}"
    given = {"tracking_uri": guarded_mlflow.uri, "model_name": name, "experiment": name}
    settings = tiny_settings(tmp_path, mlflow=given)
    with logged_in(WRITER), home.open_features(settings) as features:
        ground = training_ground(settings, features)
        ads = keep_shop_ads(ground.past_ads.creatives, 6)
        click_through(local_kafka, features, ads, ["ann", "bob"])
        yield ground
        ground.past_ads.creatives.close()


def test_who_may_only_read_is_refused_before_training(ground: TrainingGround) -> None:
    steps: list[int] = []
    with logged_in(READER), pytest.raises(RegistryRefused, match="403"):
        train_round(ground, on_step=lambda step, _: steps.append(step))
    assert not steps
    assert not list(ground.folder.glob("round-*"))
    assert train_round(ground).number == 1  # nothing is left of it
