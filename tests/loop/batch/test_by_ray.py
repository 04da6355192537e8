"""A batch by two workers of Ray Data on this machine."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from adloom.loop import home
from adloom.loop.batch.begin import Asked, begin
from adloom.loop.batch.by_ray import _Worker
from adloom.loop.batch.output import Output
from adloom.stream.settings import KafkaSettings
from tests.adloom_process import AdloomProcess
from tests.loop.batch.batch_home import PRODUCTS, batch_shop, csv, parquet, rows_of
from tests.loop_parts import adapter_folder, register_by_hand
from tests.serving_world.adapters import too_large_to_draw


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_workers_draw_every_pair_once(tmp_path: Path, kafka: KafkaSettings) -> None:
    pytest.importorskip("ray.data", reason="Ray is not installed: pip install 'adloom[ray]'")
    settings = batch_shop(tmp_path)
    users = [f"user-{n}" for n in range(8)]
    parquet(tmp_path / "users.parquet", user_id=users)
    csv(tmp_path / "products.csv", "product_id", PRODUCTS[:2])
    environment = os.environ | {
        "ADLOOM_HOME": str(settings.home),
        "ADLOOM_GENERATOR__PATH": str(settings.generator.path),
        "ADLOOM_KAFKA__BOOTSTRAP_SERVERS": str(kafka.bootstrap_servers),
        "ADLOOM_KAFKA__TOPIC_PREFIX": kafka.topic_prefix,
        "ADLOOM_RAY__CPUS": "0.5",
    }
    files = ("--users", "users.parquet", "--products", "products.csv", "--out", "out")
    words = ("ads", *files, "--part-rows", "4", "--json", "--ray", "--workers", "2")
    status, told, beside = AdloomProcess(*words, folder=tmp_path, environment=environment).ended()
    assert status == 0, beside
    assert json.loads(told)["ads"] == json.loads(told)["drawn"] == 16
    rows = rows_of(tmp_path / "out")
    assert [(row["user_id"], row["product_id"]) for row in rows] == [
        (user, product) for user in users for product in PRODUCTS[:2]
    ]
    assert all((tmp_path / "out" / row["picture"]).is_file() for row in rows)
    assert all(row["exposure_id"] for row in rows)


@pytest.mark.long
def test_what_a_worker_cannot_do_is_told_in_adlooms_words(tmp_path: Path) -> None:
    settings = batch_shop(tmp_path)
    adapter = adapter_folder(settings, "huge")
    version = register_by_hand(settings, home.open_registry(settings), adapter, too_large_to_draw)
    pairs = parquet(tmp_path / "pairs", user_id=["ann"], product_id=[PRODUCTS[0]])
    output = Output(tmp_path / "out")
    with output.alone():
        asked = Asked({"pairs": pairs}, version, exposures=False, part_rows=None)
        begun = begin(settings, output, asked)
        with closing(begun.plan):
            made = _Worker(settings, output.folder)({"part": np.array(begun.left)})
    [failed] = made["failed"]
    assert failed.startswith(f"version {version} cannot draw an ad (")
    assert not (output.folder / "ads").exists()
