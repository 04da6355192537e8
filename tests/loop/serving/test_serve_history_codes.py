"""A server whose base reads clicked pictures as codes of the pictures made small."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from adloom.loop.learning.click_trends import ClickTrends
from adloom.loop.learning.training_set import ClickedAd
from adloom.loop.serving.app import create_app
from tests.loop_parts import hand_made_registry, server_of, tiny_settings
from tests.tiny_model import code_reading_model

ASK = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("codes")
    code_reading_model().save_pretrained(folder / "model")
    settings = tiny_settings(folder)
    hand_made_registry(settings)
    with TestClient(create_app(settings)) as client:
        yield client


def clicked(client: TestClient, number: int, **what: Any) -> None:
    click = {"event_id": f"click-{number}", "ts": datetime.now(UTC).isoformat(), "user_id": "ann"}
    client.post("/v1/events", json={"clicks": [click | what]}).raise_for_status()
    server = server_of(client)
    while len(server.features.history("ann")) <= number:
        server.stop.wait(0.05)


def test_an_ad_is_served_after_a_clicked_ad_and_a_clicked_product(client: TestClient) -> None:
    first = client.post("/v1/ads", json=ASK).raise_for_status().json()
    clicked(client, 0, item_id="running-shoes", ad_id=first["ad_id"])
    clicked(client, 1, item_id="coffee-mug")
    second = client.post("/v1/ads", json=ASK).raise_for_status().json()
    assert (first["personalised"], second["personalised"]) == (False, True)

    server = server_of(client)
    maker = server.maker
    product = server.catalogue["wrist-watch"]
    read = maker.past_ads.representing(server.features.history("ann"), product, 10)
    codes = {one.product_id: one.codes for one in read}
    shown = maker.creatives.picture(maker.creatives.get(first["ad_id"]).picture)
    [wanted] = maker.generator.encode_history([shown])
    assert wanted.shape == (4,)
    np.testing.assert_array_equal(codes["running-shoes"], wanted)
    assert codes["coffee-mug"].shape == (4,)


def test_trends_of_clicked_ads_have_such_codes(client: TestClient) -> None:
    drawn = client.post("/v1/ads", json=ASK | {"user_id": "bob"}).raise_for_status().json()
    past_ads, now = server_of(client).maker.past_ads, datetime.now(UTC)
    click = ClickedAd(drawn["ad_id"], "bob", "running-shoes", now - timedelta(minutes=1), now)
    [[ad]] = ClickTrends([click], past_ads).now().values()
    assert ad.codes.shape == (4,)
