"""Ads and words are reviewed over HTTP; what is decided holds at the next request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adloom.loop import home
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from adloom.models.titles.mentions import mentions, without
from tests.loop_parts import keep_shop_ads, tiny_settings

KEY = "a-key-of-sixteen-or-more"
ASK = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return tiny_settings(
        tmp_path_factory.mktemp("review"),
        serve={"api_keys": [KEY]},
        titles={"banned": ["nasty"]},
    )


@pytest.fixture(scope="module")
def ads(settings: Settings) -> list[Creative]:
    creatives = home.open_creatives(settings)
    kept = keep_shop_ads(creatives, 5)
    creatives.close()
    return kept


@pytest.fixture(scope="module")
def client(settings: Settings, ads: list[Creative]) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"X-API-Key": KEY}) as client:
        yield client


def listed(client: TestClient, **query: object) -> list[str]:
    page: dict[str, Any] = client.get("/v1/creatives", params=query).json()  # type: ignore[arg-type]
    return [ad["ad_id"] for ad in page["creatives"]]


def test_ads_are_listed_approved_and_banned_with_who_and_why(
    client: TestClient, ads: list[Creative]
) -> None:
    first = ads[0].ad_id
    banned = client.post(f"/v1/creatives/{first}/ban", json={"why": "too dark", "by": "Ann"}).json()
    assert banned["state"] == "banned"
    assert listed(client, state="banned") == [first]
    assert first not in listed(client, state="approved")
    approved = client.post(f"/v1/creatives/{first}/approve", json={}).json()
    assert approved["state"] == "approved"
    told = [(one["state"], one["why"], one["by"].split(" (key ")[0]) for one in approved["reviews"]]
    assert told[0] == ("banned", "too dark", "Ann")
    assert told[1][2].startswith("key ")
    assert KEY not in str(approved)
    assert client.get(f"/v1/creatives/{first}").json() == approved
    page = client.get("/v1/creatives", params={"limit": 2}).json()
    rest = client.get("/v1/creatives", params={"after": page["next"]}).json()
    assert len(page["creatives"]) == 2
    assert len(rest["creatives"]) == 3
    assert rest["next"] is None


def test_what_is_wrong_is_named(client: TestClient, ads: list[Creative]) -> None:
    ban = f"/v1/creatives/{ads[1].ad_id}/ban"
    assert client.post(ban, json={"why": "  "}).status_code == 422
    assert client.post(ban, json={}).status_code == 422
    assert client.post("/v1/creatives/nothing/ban", json={"why": "x"}).status_code == 404
    assert client.post("/v1/creatives/nothing/approve", json={}).status_code == 404
    assert client.get("/v1/creatives/nothing").status_code == 404
    bad = client.get("/v1/creatives", params={"after": "x"})
    assert (bad.status_code, bad.json()["detail"][0]["loc"]) == (422, ["query", "after"])
    assert client.get("/v1/creatives", params={"state": "new"}).status_code == 422
    nobody = {"X-API-Key": ""}
    assert client.get("/v1/creatives", headers=nobody).status_code == 401
    assert client.post(ban, json={"why": "x"}, headers=nobody).status_code == 401
    assert client.post("/v1/words", json={"word": "x"}, headers=nobody).status_code == 401
    wrong = client.post("/v1/words", json={"word": "x", "language": "no language"})
    assert wrong.status_code == 422


@pytest.mark.parametrize("word", ["\u200b", "\u200b\u2060 \ufeff", "bil\0lig", "ـ", " "])
def test_a_word_that_no_title_can_be_found_to_say_is_refused_by_its_field(
    client: TestClient, word: str
) -> None:
    refused = client.post("/v1/words", json={"word": word})
    assert refused.status_code == 422
    assert [one["loc"] for one in refused.json()["detail"]] == [["body", "word"]]


@pytest.mark.parametrize("field", ["why", "by"])
def test_a_text_that_no_database_can_keep_is_refused_by_its_field(
    client: TestClient, field: str
) -> None:
    refused = client.post("/v1/words", json={"word": "cheap", field: "a\0b"})
    assert refused.status_code == 422
    assert [one["loc"] for one in refused.json()["detail"]] == [["body", field]]


def test_a_word_that_is_banned_is_in_no_title_from_the_next_request_on(
    client: TestClient,
) -> None:
    def title_of(seed: int) -> str:
        return str(client.post("/v1/ads", json=ASK | {"seed": seed}).json()["title"])

    drawn = ((seed, title_of(seed)) for seed in range(7, 40))
    seed, title = next((seed, text) for seed, text in drawn if text != "Trail Running Shoes")
    word = without(title, "Trail Running Shoes").split()[-1].strip("\0.,:!")
    done = client.post("/v1/words", json={"word": word, "why": "not ours", "by": "Ann"})
    assert done.json()["changed"] is True
    assert not mentions(title_of(seed), word)
    lists = client.get("/v1/words").json()
    assert [(one["word"], one["of"]) for one in lists["words"]] == [
        ("nasty", "settings"),
        (word, "review"),
    ]
    assert client.post("/v1/words", json={"word": word, "banned": False}).json() == {
        "changed": True,
        "ads_banned": 0,
    }
    assert title_of(seed) == title
    history = client.get("/v1/words").json()["history"]
    assert [one["banned"] for one in history] == [False, True]


def test_an_ad_that_has_to_be_approved_is_refused_until_then(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = tiny_settings(tmp_path_factory.mktemp("required"), review={"required": True})
    with TestClient(create_app(settings)) as client:
        refused = client.post("/v1/ads", json=ASK)
        assert refused.status_code == 409
        assert "a person has to approve it" in refused.json()["detail"]
        [draft] = client.get("/v1/creatives", params={"state": "draft"}).json()["creatives"]
        assert draft["product_id"] == ASK["product_id"]
        assert draft["reviews"] == []
        preview = client.post("/studio/api/ads", json=ASK)
        assert preview.status_code == 200
        assert "adloom_ads_held_total" in client.get("/metrics").text
