"""The studio's page of experiments: the figures of the report, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from adloom.loop.serving.app import create_app
from adloom.models.sampling import BaseSampling
from tests.loop.experiments.reading_log import START, log_in
from tests.loop.serving.studio_parts import KEYED, studio_settings

# The control says what the champion leaves to the base.
ARMS = {"control": {"guidance": BaseSampling().guidance}, "other": {"guidance": 5.0}}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    later = datetime.now(UTC) + timedelta(days=2)
    experiments = {
        "trial": {"arms": ARMS, "start": START, "end": later},
        "next": {"arms": ARMS, "start": later},
    }
    settings = studio_settings(tmp_path_factory.mktemp("studio"), experiments=experiments)
    log_in(settings.home / "features/events", ads=1_500)
    with TestClient(create_app(settings), headers=KEYED) as client:
        yield client


def test_the_experiments_of_the_settings_are_listed_and_the_running_one_is_meant(
    client: TestClient,
) -> None:
    found = client.get("/studio/api/experiments").json()
    assert [(e["name"], e["runs"]) for e in found["experiments"]] == [
        ("next", False),
        ("trial", True),
    ]
    assert found["latest"] == "trial"


def test_an_experiment_is_told_as_the_command_tells_it(client: TestClient) -> None:
    found = client.get("/studio/api/experiments/trial").json()
    reading = found["reading"]
    assert (reading["experiment"], reading["control"]) == ("trial", "control")
    assert {"arms", "verdict", "by_day", "segments", "adjusted", "ahead"} <= set(reading)
    assert reading["by_day"][-1]["so_far"]["other"]["lift"] == reading["arms"]["other"]["lift"]
    assert any("Adjusted by what users did" in sentence for sentence in found["sentences"])
    begun = client.get("/studio/api/experiments/next").json()
    assert begun["reading"]["verdict"] == "collecting"


def test_what_is_the_same_version_with_the_same_settings_is_drawn_once(client: TestClient) -> None:
    ask = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}
    ads = client.post("/studio/api/ads", json=ask).json()
    assert [(ad["variants"], ad["version"]) for ad in ads] == [
        (["champion", "control (trial)"], "1"),
        (["challenger"], "2"),
        (["other (trial)"], "1"),
    ]


def test_what_is_not_defined_is_not_found_and_strangers_see_nothing(client: TestClient) -> None:
    assert client.get("/studio/api/experiments/unknown").status_code == 404
    stranger = client.get("/studio/api/experiments/trial", headers={"X-API-Key": "wrong"})
    assert stranger.status_code == 401
