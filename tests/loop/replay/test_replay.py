"""Real click logs go through Kafka into the features and arrive exactly."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from adloom.feature_store.store import FeatureStore
from adloom.loop.replay import open_bandit as obd
from adloom.loop.replay.click_log import ClickLog
from adloom.loop.replay.errors import ClickLogUnavailable
from adloom.loop.replay.open_bandit import open_bandit
from adloom.loop.replay.replay import replay, replay_file, replay_obd
from adloom.stream.settings import KafkaSettings

CSV = """ts,user_id,item_id,click,position,propensity
2024-01-01T00:00:00Z,1,shoe,0,0,0.5
2024-01-01T00:00:01Z,1,bag,1,1,0.25
2024-01-01T00:00:02Z,2,shoe,1,,
"""


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    file = tmp_path / "clicks.csv"
    file.write_text(CSV)
    return file


def test_a_csv_file_arrives_exactly_and_twice_is_twice(
    csv: Path, kafka: KafkaSettings, store: FeatureStore
) -> None:
    for _ in range(2):
        result = replay_file(csv, kafka, store)
        assert result.exact
        assert result.produced == 5
        assert result.in_file == {"bag": (1, 1), "shoe": (2, 1)}
    assert store.user_stats(["1"])["1"].impressions == 4
    log = store.log.read("impression")
    assert log["propensity"].tolist()[0] == 0.5
    assert len(log) == 6


def test_a_rate_is_kept(csv: Path, kafka: KafkaSettings, store: FeatureStore) -> None:
    assert replay(ClickLog.of(csv), kafka, store, rate=2.0).seconds >= 1.0


def test_what_is_refused_is_told_and_the_rest_arrives_exactly(
    csv: Path, kafka: KafkaSettings, store: FeatureStore
) -> None:
    csv.write_text(CSV + "tomorrow,3,shoe,1,,\n2024-01-01T00:00:03Z,3,hat,1,,\n")
    summary = replay_file(csv, kafka, store).summary()
    assert summary["exact"]
    assert (summary["produced"], summary["refused"]) == (7, 1)
    assert summary["refused_rows"][0]["line"] == 5
    assert summary["items"]["hat"] == {"log": (1, 1), "features": (1, 1)}


def test_a_file_of_many_chunks_arrives_exactly(
    tmp_path: Path, kafka: KafkaSettings, store: FeatureStore
) -> None:
    file = tmp_path / "clicks.csv"
    rows = [f"2024-01-01T00:00:00Z,u{n % 50},i{n % 7},{n % 3 == 0:d}" for n in range(12_000)]
    file.write_text("ts,user_id,item_id,click\n" + "\n".join(rows))
    parts: list[float] = []
    result = replay_file(file, kafka, store, told=lambda part, _: parts.append(part))
    assert result.exact
    assert result.produced == 16_000
    assert parts == sorted(parts)
    assert parts[-1] == 1.0


def test_another_wheel_of_the_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / obd._WHEEL).write_bytes(b"something else")
    with pytest.raises(ClickLogUnavailable, match="not the expected file"):
        open_bandit(tmp_path, "all", "random")


def test_without_a_registry_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ClickLogUnavailable, match=r"put obp-0\.4\.1.*into.*or replay a file"):
        open_bandit(tmp_path, "all", "random")


@pytest.fixture(scope="module")
def wheel_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    try:
        open_bandit(cache, "all", "random")
    except ClickLogUnavailable as error:
        pytest.skip(str(error))
    return cache


@pytest.mark.slow
def test_the_open_bandit_sample_arrives_exactly(
    wheel_cache: Path, kafka: KafkaSettings, store: FeatureStore
) -> None:
    result = replay_obd(kafka, store, wheel_cache, campaign="men", policy="bts")
    assert result.exact
    assert sum(impressions for impressions, _ in result.in_file.values()) == 10_000
    assert result.produced == 10_000 + sum(clicks for _, clicks in result.in_file.values())
