"""A batch by two workers of Ray Data on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from adloom.loop import home
from adloom.stream.settings import KafkaSettings
from tests.adloom_process import AdloomProcess
from tests.loop.batch.batch_home import PRODUCTS, batch_shop, csv, parquet, rows_of
from tests.loop_parts import adapter_folder, register_by_hand
from tests.serving_world.adapters import too_large_to_draw


@pytest.mark.slow
def test_two_workers_draw_every_pair_once_and_tell_what_is_wrong_in_one_line(
    tmp_path: Path, kafka: KafkaSettings
) -> None:
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

    def drawn(out: str, *more: str) -> tuple[int, str, str]:
        files = ("--users", "users.parquet", "--products", "products.csv", "--out", out)
        words = ("ads", *files, "--part-rows", "4", "--json", "--ray", *more)
        return AdloomProcess(*words, folder=tmp_path, environment=environment).ended()

    status, told, beside = drawn("out", "--workers", "2")
    assert status == 0, beside
    assert json.loads(told)["ads"] == json.loads(told)["drawn"] == 16
    rows = rows_of(tmp_path / "out")
    assert [(row["user_id"], row["product_id"]) for row in rows] == [
        (user, product) for user in users for product in PRODUCTS[:2]
    ]
    assert all((tmp_path / "out" / row["picture"]).is_file() for row in rows)

    broken = register_by_hand(
        settings, home.open_registry(settings), adapter_folder(settings, "huge"), too_large_to_draw
    )
    status, told, beside = drawn("other", "--version", str(broken))
    assert (status, told) == (2, ""), beside
    [line] = beside.splitlines()
    assert line.startswith(f"Error: version {broken} cannot draw an ad")
