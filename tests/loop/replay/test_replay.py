"""Real click logs go through Kafka into the features and arrive exactly."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from adloom.feature_store.store import FeatureStore
from adloom.loop.replay import open_bandit as obd
from adloom.loop.replay.click_log import read_click_log, replay, replay_file, replay_obd
from adloom.loop.replay.open_bandit import ClickLogUnavailable, open_bandit
from adloom.stream.settings import KafkaSettings

CSV = """ts,user_id,item_id,click,position,propensity
2024-01-01T00:00:00Z,1,shoe,0,0,0.5
2024-01-01T00:00:01Z,1,bag,1,1,0.25
2024-01-01T00:00:02Z,2,shoe,1,,
"""
JSONL = """{"ts": "2024-01-01T00:00:00", "user_id": "1", "item_id": "shoe", "click": 0}
{"ts": "2024-01-01T00:00:01+01:00", "user_id": "2", "item_id": "shoe", "click": 1, "variant": "b"}
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
    assert replay(read_click_log(csv), kafka, store, rate=2.0).seconds >= 1.0


def test_json_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "clicks.jsonl"
    file.write_text(JSONL)
    rows = read_click_log(file)
    assert rows["click"].tolist() == [False, True]
    assert [ts.isoformat() for ts in rows["ts"]] == [
        "2024-01-01T00:00:00+00:00",
        "2023-12-31T23:00:01+00:00",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("a,b\n1,2\n", "no column ts"), (CSV.replace(",1,1,", ",often,1,"), "cannot be read")],
)
def test_a_file_that_is_no_click_log_says_why(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "clicks.csv"
    file.write_text(text)
    with pytest.raises(ClickLogUnavailable, match=complaint):
        read_click_log(file)
    with pytest.raises(ClickLogUnavailable, match=r"nothing\.csv"):
        read_click_log(tmp_path / "nothing.csv")


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
