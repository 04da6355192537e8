"""Where a person has to approve every ad, requests are answered with what may be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adloom.loop import home
from adloom.loop.serving.app import create_app
from tests.loop_parts import keep_shop_ads, tiny_settings

pytestmark = pytest.mark.slow


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
        assert in_time["source"] == "shop"
        named = ask("sent-twice").raise_for_status().json()
        drafts = [ad.ad_id for ad in creatives.page(state="draft")]
        assert drafts
        approved = client.post(f"/v1/creatives/{drafts[0]}/approve", json={"why": ""})
        assert approved.status_code == 200, approved.text
        again = ask("sent-twice").raise_for_status().json()
        assert (again["ad_id"], again["source"]) == (named["ad_id"], named["source"])
    creatives.close()
