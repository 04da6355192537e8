"""Where a person has to approve every ad, requests are answered with what may be shown."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adloom.loop import home
from adloom.loop.serving.app import create_app
from adloom.loop.serving.requests import AdRequest
from tests.loop_parts import keep_shop_ads, send_clicks, server_of, tiny_settings

pytestmark = pytest.mark.slow
_PATIENCE_SECONDS = 60.0


def test_what_is_drawn_waits_for_a_person_and_the_shops_own_ad_is_shown(tmp_path: Path) -> None:
    settings = tiny_settings(tmp_path, review={"required": True})
    creatives = home.open_creatives(settings)
    [own, *_] = keep_shop_ads(creatives, 1)
    with TestClient(create_app(settings)) as client:

        def ask(key: str | None = None, **told: Any) -> Any:
            body = {"user_id": "nobody", "product_id": own.product_id, **told}
            headers = {} if key is None else {"Idempotency-Key": key}
            return client.post("/v1/ads", json=body, headers=headers)

        shown = ask().raise_for_status().json()
        assert (shown["source"], shown["ad_id"]) == ("shop", own.ad_id)
        refused = ask(seed=7)
        assert refused.status_code == 409
        assert "a person has to approve it" in refused.json()["detail"]
        in_time = ask(deadline_ms=30_000).raise_for_status().json()
        assert in_time["source"] == "shop"  # at once: nobody approves in half a minute
        named = ask("sent-twice").raise_for_status().json()
        drafts = [ad.ad_id for ad in creatives.page(state="draft")]
        assert drafts
        approved = client.post(f"/v1/creatives/{drafts[0]}/approve", json={"why": ""})
        assert approved.status_code == 200, approved.text
        until = time.monotonic() + _PATIENCE_SECONDS
        while (of_pool := ask(deadline_ms=1).json())["ad_id"] != drafts[0]:
            assert time.monotonic() < until, of_pool
            time.sleep(0.1)
        assert of_pool["source"] == "pool"
        again = ask("sent-twice").raise_for_status().json()
        assert (again["ad_id"], again["source"]) == (named["ad_id"], named["source"])
    creatives.close()


def test_for_the_same_clicks_one_draft_is_drawn(tmp_path: Path) -> None:
    settings = tiny_settings(tmp_path, review={"required": True}, pool={"refresh_seconds": 0.2})
    creatives = home.open_creatives(settings)
    ads = keep_shop_ads(creatives, 3)
    with TestClient(create_app(settings)) as client:
        send_clicks(client, "ann", ads)
        server, until = server_of(client), time.monotonic() + _PATIENCE_SECONDS
        product = server.catalogue.find([ads[0].product_id])[ads[0].product_id]
        asked = server.placed(AdRequest("ann", product, 1))
        body = {"user_id": "ann", "product_id": product.product_id, "deadline_ms": 1}
        while len(server.in_time.find([asked])[0].clicked) < 3:
            assert time.monotonic() < until
            time.sleep(0.1)
        for _ in range(12):
            answer = client.post("/v1/ads", json=body).raise_for_status().json()
            assert answer["source"] == "shop"
            while server.in_time.behind.under_way:
                assert time.monotonic() < until
                time.sleep(0.1)
        assert len(creatives.page(state="draft")) == 1
    creatives.close()


def test_no_more_are_drawn_behind_while_enough_wait_for_a_person(tmp_path: Path) -> None:
    settings = tiny_settings(tmp_path, review={"required": True}, pool={"drafts": 2})
    creatives = home.open_creatives(settings)
    [own, *_] = keep_shop_ads(creatives, 1)

    def waiting() -> int:
        return len(creatives.page(state="draft"))

    with TestClient(create_app(settings)) as client:
        server = server_of(client)
        until = time.monotonic() + _PATIENCE_SECONDS
        number = 0
        while waiting() < 2 or server.queue.waiting or not server.queue.has_room:
            assert time.monotonic() < until
            body = {"user_id": f"user-{number}", "product_id": own.product_id, "deadline_ms": 1}
            client.post("/v1/ads", json=body).raise_for_status()
            number += 1
            time.sleep(0.2)
        time.sleep(3)  # until the pool looks again
        there = waiting()
        for number in range(20):
            body = {"user_id": f"other-{number}", "product_id": own.product_id, "deadline_ms": 1}
            answer = client.post("/v1/ads", json=body).raise_for_status().json()
            assert answer["source"] == "shop"
        time.sleep(1)
        assert waiting() == there
    creatives.close()
