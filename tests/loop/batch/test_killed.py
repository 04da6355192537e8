"""A batch that is killed again and again ends with every pair once, each shown once.

`pytest tests/loop/batch/test_killed.py --users 2000` draws 6,000 ads.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from adloom.feature_store.store import FeatureStore
from adloom.loop import home
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from tests.adloom_process import AdloomProcess
from tests.loop.batch.batch_home import CLICKERS, PRODUCTS, batch_shop, csv, parquet, rows_of
from tests.stream.test_consumer import consume


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_killed_twice_it_ends_with_every_pair_once(
    tmp_path: Path, kafka: KafkaSettings, store: FeatureStore, request: pytest.FixtureRequest
) -> None:
    users = int(request.config.getoption("users"))
    ads, part_rows = users * len(PRODUCTS), users // 2
    settings = batch_shop(tmp_path)
    parquet(tmp_path / "users.parquet", user_id=[f"user-{n}" for n in range(users)])
    csv(tmp_path / "products.csv", "product_id", PRODUCTS)
    environment = os.environ | {
        "ADLOOM_HOME": str(settings.home),
        "ADLOOM_GENERATOR__PATH": str(settings.generator.path),
        "ADLOOM_KAFKA__BOOTSTRAP_SERVERS": str(kafka.bootstrap_servers),
        "ADLOOM_KAFKA__TOPIC_PREFIX": kafka.topic_prefix,
        "ADLOOM_KAFKA__PARTITIONS": str(kafka.partitions),
    }
    out = tmp_path / "out"
    options = "--users users.parquet --products products.csv --out out"

    def drawing() -> AdloomProcess:
        words = ("ads", *options.split(), "--part-rows", str(part_rows))
        return AdloomProcess(*words, folder=tmp_path, environment=environment)

    def parts() -> dict[str, int]:
        return {file.name: file.stat().st_mtime_ns for file in out.glob("ads/part-*")}

    for killed_after in (1, 3):
        process = drawing()
        while len(parts()) < killed_after:
            assert process.runs, process.ended()[2]
            time.sleep(0.005)
        process.kill()
        done = parts()
        assert len(done) < ads // part_rows
    process = drawing()
    status, told, beside = process.ended()
    assert status == 0, beside
    assert f"{ads:,} in out/ads" in told
    assert done.items() <= parts().items()  # what was done is as it was
    assert {file.name for file in out.iterdir()} == {".lock", ".plan.parquet", "ads", "pictures"}
    assert len(list((out / "ads").iterdir())) == ads // part_rows

    rows = rows_of(out)
    wanted = [(f"user-{n}", product) for n in range(users) for product in PRODUCTS]
    assert [(row["user_id"], row["product_id"]) for row in rows] == wanted
    assert len({row["ad_id"] for row in rows}) == ads
    assert {(row["version"], row["source"]) for row in rows} == {("1", "drawn")}
    for row in rows:
        with Image.open(out / row["picture"]) as picture:
            assert picture.size == (512, 512)
    by_pair = {(row["user_id"], row["product_id"]): row for row in rows}
    new, clicked = by_pair["user-9", PRODUCTS[0]], by_pair[CLICKERS[0], PRODUCTS[0]]
    assert clicked["picture"] != new["picture"]
    with closing(home.open_creatives(settings)) as creatives:
        assert len(creatives) == ads + 6  # nothing was drawn twice; six are the shop's own
        known = creatives.get_many([row["ad_id"] for row in rows])
    assert {row["ad_id"]: row["title"] for row in rows} == {
        ad_id: ad.title for ad_id, ad in known.items()
    }

    with EventConsumer(kafka, store) as consumer:
        consume(consumer, ads)
        while consumer.behind():  # what a kill made come twice
            consumer.poll()
    shown = store.log.read("exposure")
    assert dict(zip(shown["ad_id"], shown["event_id"], strict=True)) == {
        row["ad_id"]: row["exposure_id"] for row in rows
    }
    assert set(shown["variant"]) == {"champion"}
    assert store.user_stats(["user-9"])["user-9"].impressions == len(PRODUCTS)
