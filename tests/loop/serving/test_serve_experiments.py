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
from adloom.loop.experiments.outcomes import experiment_outcomes
from adloom.loop.experiments.report import report_experiment
from adloom.loop.serving.app import create_app
from adloom.loop.serving.requests import AdRequest
from adloom.loop.settings import Settings
from tests.loop_parts import register_adapter, tiny_settings

OF_A_PLATFORM = {
    "start": datetime.now(UTC) - timedelta(minutes=1),
    "arms": {"red": {}, "blue": {"version": "challenger", "weight": 3.0}},
    "assigned_by": "caller",
}
TWINS = OF_A_PLATFORM | {"arms": {"one": {}, "other": {}}}
OVER = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
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
        experiments={
            "trial": trial,
            "platform": OF_A_PLATFORM,
            "twins": TWINS,
            "past": OF_A_PLATFORM | OVER,
        },
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
    requests = [server.request(AdRequest(user, shoes, 7)) for user in alone]
    for user, future in zip(alone, requests, strict=True):
        ad = future.result(timeout=60)
        assert ad.request.user_id == user
        assert ad.creative.variant == alone[user]["variant"]
        assert ad.creative.title == alone[user]["title"]


def test_what_is_drawn_for_one_arm_counts_as_that_of_the_other_that_it_is_shown_in(
    client: TestClient,
) -> None:
    def shown(arm: str, ms: int) -> dict[str, Any]:
        given = {"experiment": "twins", "variant": arm, "propensity": 0.5}
        return ask(client, "twin", seed=None, deadline_ms=ms, assignment=given)

    shown("one", 1)  # it is drawn behind, for both
    assert shown("other", 60_000)["variant"] == "other"


def test_an_arm_that_the_caller_names_serves_and_is_logged(
    client: TestClient, settings: Settings
) -> None:
    told = {"experiment": "platform", "variant": "blue", "propensity": 0.2}
    by_weight = {"experiment": "platform", "variant": "blue"}
    ads = [
        ask(client, "named", assignment=told),
        ask(client, "weighed", assignment=by_weight),
        ask(client, "moved", assignment=by_weight | {"variant": "red"}),
    ]
    assert [(ad["experiment"], ad["variant"]) for ad in ads] == [
        ("platform", "blue"),
        ("platform", "blue"),
        ("platform", "red"),
    ]
    assert [ad["model_version"] for ad in ads] == ["2", "2", "1"]
    events = exposures(settings, "user_id", {ad["user_id"] for ad in ads})
    assert [events[ad["user_id"]]["propensity"] for ad in ads] == [0.2, 0.75, 0.25]
    context = json.loads(events["named"]["context"])
    assert (context["experiment"], context["assigned_by"]) == ("platform", "caller")
    assert ask(client, "named")["experiment"] == "trial"  # nobody else is dealt into it
    with home.open_features(settings) as features:
        outcomes = experiment_outcomes(
            features.log,
            "platform",
            settings.experiments["platform"],
            attribution=timedelta(hours=1),
            until=datetime.now(UTC) + timedelta(hours=2),
        )
    assert sorted(outcomes.users) == ["moved", "named", "weighed"]
    assert outcomes.shares.tolist() == [[0.25, 0.75]] * 3  # the split that the weights aim at


@pytest.mark.parametrize(
    ("assignment", "place", "told"),
    [
        ({"experiment": "unheard", "variant": "red"}, ["experiment"], "no such experiment"),
        ({"experiment": "trial", "variant": "now"}, ["experiment"], "adloom assigns it"),
        ({"experiment": "past", "variant": "red"}, ["experiment"], "does not run now"),
        ({"experiment": "platform", "variant": "green"}, ["variant"], "red, blue"),
        ({"experiment": "platform", "variant": "red", "propensity": 0}, ["propensity"], "0"),
        (
            {"experiment": "platform", "variant": "red", "propensity": 1e-300},
            ["propensity"],
            "0.0001",
        ),
        ({"experiment": "platform"}, ["variant"], "required"),
    ],
)
def test_an_assignment_that_cannot_be_taken_is_refused_by_its_field(
    assignment: dict[str, Any], place: list[str], told: str, client: TestClient
) -> None:
    body = {"user_id": "ann", "product_id": "running-shoes", "assignment": assignment}
    answer = client.post("/v1/ads", json=body)
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["loc"] == ["body", "assignment", *place]
    assert told in problem["msg"]


def test_a_key_that_comes_again_with_another_arm_is_refused(client: TestClient) -> None:
    def asked(**more: Any) -> Any:
        body = {"user_id": "keyed", "product_id": "running-shoes", **more}
        return client.post("/v1/ads", json=body, headers={"Idempotency-Key": "the-same-key"})

    red, blue = ({"experiment": "platform", "variant": arm} for arm in ("red", "blue"))
    first = asked(assignment=blue).json()["ad_id"]
    others = [asked(), asked(assignment=red), asked(assignment=blue, personalise=False)]
    assert [other.status_code for other in others] == [422] * 3
    assert asked(assignment=blue).json()["ad_id"] == first


def exposures(settings: Settings, by: Any, names: set[str]) -> dict[str, Any]:
    """Exposures by user or ad, once those of ``names`` are logged."""
    deadline = time.monotonic() + 60
    while not names <= set((shown := logged(settings, "exposure", 1))[by]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return {str(row[by]): row for _, row in shown.iterrows()}


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
    assert "hasty" not in exposures(settings, "user_id", {"patient"})


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
