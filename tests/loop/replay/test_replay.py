"""Real click logs go through Kafka into the features and arrive exactly."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from adloom.feature_store.store import FeatureStore, UserStats
from adloom.loop.replay import open_bandit as obd
from adloom.loop.replay.checking import check_file
from adloom.loop.replay.click_log import ClickLog
from adloom.loop.replay.errors import ClickLogUnavailable
from adloom.loop.replay.open_bandit import open_bandit
from adloom.loop.replay.replay import replay, replay_file, replay_obd
from adloom.stream.reading import read_to_end
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
        assert result.users_in_file == result.users_in_features == {"1": (2, 1), "2": (1, 1)}
        assert result.summary()["users"] == {"checked": 2, "exact": True}
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


def test_a_user_whose_counts_differ_is_told(
    csv: Path, kafka: KafkaSettings, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.user_stats

    def merged(users: Iterable[str]) -> dict[str, UserStats]:
        """As if events of both users were counted for one of them."""
        found = real(users)
        both = UserStats(
            sum(stats.impressions for stats in found.values()),
            sum(stats.clicks for stats in found.values()),
        )
        return {user: both if user == "1" else UserStats() for user in found}

    monkeypatch.setattr(store, "user_stats", merged)
    result = replay_file(csv, kafka, store)
    assert result.in_file == result.in_features
    assert not result.exact
    assert result.differing_users == ["1", "2"]
    assert result.summary()["users"] == {"checked": 2, "exact": False}


def test_a_log_that_cannot_be_read_to_its_end_sends_nothing(
    tmp_path: Path, kafka: KafkaSettings, store: FeatureStore
) -> None:
    file = tmp_path / "clicks.csv.gz"
    rows = "".join(f"2024-01-01T00:00:00Z,u{n * 7919},i{n},0\n" for n in range(20_000))
    packed = gzip.compress(("ts,user_id,item_id,click\n" + rows).encode())
    file.write_bytes(packed[:-1_000])
    with pytest.raises(ClickLogUnavailable, match="cannot be read"):
        replay_file(file, kafka, store)
    assert not any(read_to_end(kafka, [kafka.topic("impressions")]))


def test_a_log_that_was_written_while_it_was_checked_sends_nothing(csv: Path) -> None:
    checked = check_file(csv)
    assert (checked.events, checked.log.refused) == (5, 0)
    csv.write_text(CSV + "soon,3,shoe,1,,\n")
    with pytest.raises(ClickLogUnavailable, match="was written while it was read"):
        checked.again()


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
