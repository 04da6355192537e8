"""Two versions served side by side to real requests, up to the report of what they proved."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from starlette.types import Message, Scope

from adloom.loop import home
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.experiments.report import report_experiment
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from tests.loop_parts import register_adapter, tiny_settings

USERS = [f"shopper-{n}" for n in range(12)]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    trial = {
        "start": datetime.now(UTC) - timedelta(minutes=1),
        "arms": {"now": {}, "next": {"version": "challenger", "guidance": 1.0, "weight": 2.0}},
    }
    settings = tiny_settings(
        tmp_path_factory.mktemp("serve"),
        serve={"follow_seconds": 0.2},
        experiments={"trial": trial},
    )
    registry = home.registry_with_base(settings)
    registry.set_challenger(register_adapter(settings, registry, "fresh"))
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


def ask(client: TestClient, user: str, **more: Any) -> dict[str, Any]:
    body = {"user_id": user, "product_id": "running-shoes", "seed": 7, **more}
    answer = client.post("/v1/ads", json=body)
    assert answer.status_code == 200, answer.text
    ad: dict[str, Any] = answer.json()
    return ad


def ask_all(client: TestClient, users: list[str]) -> list[dict[str, Any]]:
    """Their ads, asked for at once."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda user: ask(client, user), users))


def logged(settings: Settings, kind: Any, n: int) -> pd.DataFrame:
    """Events of a kind, once there are n of them."""
    deadline = time.monotonic() + 60
    with home.open_features(settings) as features:
        while len(found := features.log.read(kind)) < n:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    return found


def test_each_user_gets_ads_of_one_arm_and_every_ad_is_an_exposure(
    client: TestClient, settings: Settings
) -> None:
    ads = ask_all(client, [*USERS, *USERS])
    by_user = {user: {ad["variant"] for ad in ads if ad["user_id"] == user} for user in USERS}
    assert all(len(variants) == 1 for variants in by_user.values())
    assert {ad["variant"]: ad["model_version"] for ad in ads} == {"now": "1", "next": "2"}
    assert {ad["experiment"] for ad in ads} == {"trial"}

    shown = logged(settings, "exposure", len(ads)).set_index("ad_id")
    assert set(shown.index) == {ad["ad_id"] for ad in ads}
    for ad in ads:
        event = shown.loc[ad["ad_id"]]
        context = json.loads(event["context"])
        assert event["variant"] == ad["variant"]
        assert event["propensity"] == pytest.approx({"now": 1 / 3, "next": 2 / 3}[ad["variant"]])
        assert (context["experiment"], context["version"]) == ("trial", ad["model_version"])
        assert context["seconds"] > 0

    clicked = [ad for ad in ads if ad["variant"] == "next"][:3]
    clicks = [
        {
            "event_id": f"click-{n}",
            "ts": datetime.now(UTC).isoformat(),
            "user_id": ad["user_id"],
            "item_id": ad["product_id"],
            "ad_id": ad["ad_id"],
        }
        for n, ad in enumerate(clicked)
    ]
    assert client.post("/v1/events", json={"clicks": clicks}).status_code == 202
    logged(settings, "click", 3)
    with home.open_features(settings) as features:
        found = report_experiment(
            features.log,
            "trial",
            settings.experiments["trial"],
            attribution=timedelta(hours=1),
            until=datetime.now(UTC) + timedelta(hours=1),  # nobody clicks any more
        )
    arms = found.judgement.arms
    assert {name: arm.impressions for name, arm in arms.items()} == {
        name: sum(ad["variant"] == name for ad in ads) for name in ("now", "next")
    }
    assert {name: arm.clicks for name, arm in arms.items()} == {"now": 0, "next": 3}
    assert found.versions == {"now": [1], "next": [2]}
    assert set(found.judgement.guardrails["next"]) == {"row_steps", "seconds", "invalid_titles"}


def test_requests_of_both_arms_in_one_batch_are_answered_in_their_order(
    client: TestClient,
) -> None:
    server = client.app.state.server  # type: ignore[attr-defined]
    alone = {user: ask(client, user) for user in USERS[:4]}
    shoes = load_catalog()["running-shoes"]
    requests = [server.request(user, shoes, 7) for user in alone]
    for user, future in zip(alone, requests, strict=True):
        ad = future.result(timeout=60)
        assert ad.request.user_id == user
        assert ad.creative.variant == alone[user]["variant"]
        assert ad.creative.title == alone[user]["title"]


def test_who_hangs_up_is_shown_nothing(client: TestClient, settings: Settings) -> None:
    body = json.dumps({"user_id": "hasty", "product_id": "running-shoes"}).encode()
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/ads",
        "raw_path": b"/v1/ads",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    incoming = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(incoming, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        pass

    assert client.portal is not None
    client.portal.call(client.app, scope, receive, send)
    ask(client, "patient")
    deadline = time.monotonic() + 60
    while "patient" not in (shown := set(logged(settings, "exposure", 1)["user_id"])):
        assert time.monotonic() < deadline
    assert "hasty" not in shown


def test_the_challenger_serves_on_when_it_becomes_champion(
    client: TestClient, settings: Settings
) -> None:
    registry = home.registry_with_base(settings)
    challenger = registry.by_alias("challenger")
    assert challenger is not None
    registry.promote(challenger.number)
    deadline = time.monotonic() + 30
    while client.get("/readyz").json()["version"] != str(challenger.number):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    versions = {ad["variant"]: ad["model_version"] for ad in ask_all(client, USERS)}
    assert versions == {"now": "2", "next": "2"}
