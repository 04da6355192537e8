"""The studio's endpoints over the real server."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from adloom.loop import home
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.serving.app import create_app
from adloom.loop.serving.http.prefix import Places
from adloom.loop.serving.studio.reasons import reasons
from adloom.loop.serving.studio.version_cards import run_url
from adloom.loop.settings import Settings
from adloom.models.brief import HistoryAd
from adloom.models.trends import Trends
from tests.loop.serving.studio_parts import KEYED, png, studio_settings
from tests.loop_parts import generator_of, keep_shop_ads, server_of


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return studio_settings(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers=KEYED) as client:
        yield client


def test_the_front_page_is_the_studio_and_runs_no_script_of_others(client: TestClient) -> None:
    page = client.get("/")
    assert page.url.path == "/studio"
    assert "adloom studio" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in page.text
    assert client.get("/studio/static/studio.js").status_code == 200


def test_every_live_variant_draws_and_none_is_an_exposure(
    client: TestClient, settings: Settings
) -> None:
    ask = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}
    ads = client.post("/studio/api/ads", json=ask).json()
    assert [(ad["variants"], ad["version"]) for ad in ads] == [
        (["champion"], "1"),
        (["challenger"], "2"),
    ]
    assert {ad["seed"] for ad in ads} == {7}
    assert all(client.get(ad["picture_url"]).status_code == 200 for ad in ads)
    shown = client.post("/v1/ads", json=ask | {"user_id": "bob"}).json()
    server = client.app.state.server  # type: ignore[attr-defined]
    while "bob" not in (seen := set(server.features.log.read("exposure")["user_id"])):
        server.stop.wait(0.1)
    assert seen == {"bob"}
    assert shown["variant"] == "champion"


def test_a_clicked_ad_is_a_reason_with_rank_and_maps(client: TestClient) -> None:
    server = client.app.state.server  # type: ignore[attr-defined]
    ad = keep_shop_ads(server.creatives, 1)[0]
    click = {
        "event_id": "click",
        "ts": datetime.now(UTC).isoformat(),
        "user_id": "clicker",
        "item_id": ad.product_id,
        "ad_id": ad.ad_id,
    }
    client.post("/v1/events", json={"clicks": [click]})
    while not len(server.features.history("clicker")):
        server.stop.wait(0.1)
    ask = {"user_id": "clicker", "product_id": "running-shoes"}
    [past] = client.post("/studio/api/reasons", json=ask).json()["clicks"]
    assert (past["ad_id"], past["rank"]) == (ad.ad_id, 1)
    assert any(any(row) for row in past["seen"]["kept"])
    assert "".join(word["text"] for word in past["seen"]["words"]) in ad.title


def test_the_trend_that_a_version_reads_before_the_history_is_shown(client: TestClient) -> None:
    server = server_of(client)
    maker, shop_ads = server.maker, keep_shop_ads(server.creatives, 3)
    product = load_catalog()["running-shoes"]
    read = tuple(HistoryAd(ad.title, ad.codes, ad.ad_id) for ad in shop_ads)
    with server.champion.lock:
        generator_of(maker).new_adapter("trendy", rank=2, alpha=4)
        generator_of(maker).know_trends("trendy", Trends(2, {product.category: read}))
        history = server.features.history("nobody")
        seen = reasons(history, product, (), maker.past_ads, maker.generator, "trendy", 2, Places())
        maker.generator.drop_adapter("trendy")
    assert [ad.ad_id for ad in seen.trend] == [ad.ad_id for ad in shop_ads[:2]]
    assert client.get(seen.trend[0].picture_url).status_code == 200
    assert any(any(row) for row in seen.trend[0].seen.kept)
    assert seen.clicks == []


def send_product(client: TestClient, product_id: str, **told: Any) -> None:
    image = base64.b64encode(png()).decode()
    product = {"id": product_id, "title": product_id, "image": image, **told}
    sent = client.post("/v1/products", json={"products": [product]})
    assert sent.status_code == 200, sent.text


def test_products_come_a_page_at_a_time_in_the_order_of_ids(client: TestClient) -> None:
    listed: list[str] = []
    sizes: list[int] = []
    more, after = True, ""
    while more:
        page = client.get("/studio/api/products", params={"after": after}).json()
        listed += [product["product_id"] for product in page["products"]]
        sizes.append(len(page["products"]))
        more, after = page["more"], page["reached"]
    assert sizes[:-1] == [60] * (len(sizes) - 1)
    assert len(sizes) > 1
    assert listed == sorted(set(listed))
    assert len(listed) == client.get("/studio/api/loop").json()["catalogue"]["products"]


@pytest.mark.parametrize("search", ["雪 100 %", "和食器", "j/2001", "SCHÜSSEL"])
def test_a_product_is_found_by_id_name_or_category(client: TestClient, search: str) -> None:
    told = {
        "title": "抹茶茶碗 雪 100 % Schüssel",
        "product_type": "和食器 > 茶器",
        "language": "ja",
    }
    send_product(client, "J/2001", **told)
    [found] = client.get("/studio/api/products", params={"search": search}).json()["products"]
    assert (found["product_id"], found["language"]) == ("J/2001", "ja")
    none = client.get("/studio/api/products", params={"search": "100_%"}).json()
    assert (none["products"], none["more"]) == ([], False)


def test_categories_are_a_tree_and_hold_their_products(client: TestClient) -> None:
    send_product(client, "mug-1", product_type="Küche & Bad > Tassen > Groß")
    send_product(client, "mug-2", product_type="Küche & Bad")

    def level(under: str) -> list[dict[str, Any]]:
        return client.get("/studio/api/shelves", params={"under": under}).json()["shelves"]

    kitchen = {"path": "Küche & Bad", "name": "Küche & Bad", "opens": True}
    assert kitchen in level("")
    assert [one["name"] for one in level("Küche & Bad")] == ["Tassen"]
    for shelf, ids in (("Küche & Bad", ["mug-2", "mug-1"]), ("Küche & Bad > Tassen", ["mug-1"])):
        page = client.get("/studio/api/products", params={"shelf": shelf}).json()
        assert [product["product_id"] for product in page["products"]] == ids
        assert page["more"] is False


@pytest.mark.parametrize("product_id", ["a/b/c", "茶碗 1", "50%", "what?#"])
def test_any_id_has_its_picture_and_ads(client: TestClient, product_id: str) -> None:
    send_product(client, product_id)
    found = client.get("/studio/api/products", params={"search": product_id}).json()["products"]
    assert client.get(found[0]["picture_url"]).headers["content-type"] == "image/webp"
    ask = {"user_id": "ann", "product_id": product_id}
    assert client.post("/studio/api/ads", json=ask).status_code == 200


def test_a_product_that_cannot_be_cut_out_shows_its_whole_picture(client: TestClient) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((400, 300), 90).convert("RGB").save(buffer, "PNG")
    send_product(client, "whole", image=base64.b64encode(buffer.getvalue()).decode())
    [found] = client.get("/studio/api/products", params={"search": "whole"}).json()["products"]
    assert found["notes"][0].startswith("Shown whole: it cannot be cut out")
    picture = Image.open(io.BytesIO(client.get(found["picture_url"]).content))
    assert (picture.mode, picture.size) == ("RGB", (256, 192))


def test_what_others_import_shows_by_the_revision(client: TestClient, settings: Settings) -> None:
    before = client.get("/studio/api/loop").json()["catalogue"]
    other = home.open_catalogue(settings)  # as another process has it
    other.retire(["running-boots", "hiking-boots", other.page(limit=1)[0].product.product_id])
    other.close()
    after = client.get("/studio/api/loop").json()["catalogue"]
    assert after["revision"] > before["revision"]
    assert after["products"] < before["products"]
    assert after["problem"] is None


def test_a_click_without_an_ad_stands_for_the_product(client: TestClient) -> None:
    server = client.app.state.server  # type: ignore[attr-defined]
    send_product(client, "chawan", title="抹茶茶碗「雪」", language="ja")
    click = {
        "event_id": "bare-click",
        "ts": datetime.now(UTC).isoformat(),
        "user_id": "bare-clicker",
        "item_id": "chawan",
    }
    client.post("/v1/events", json={"clicks": [click]})
    while not len(server.features.history("bare-clicker")):
        server.stop.wait(0.1)
    ask = {"user_id": "bare-clicker", "product_id": "running-shoes"}
    [past] = client.post("/studio/api/reasons", json=ask).json()["clicks"]
    assert (past["ad_id"], past["rank"]) == (None, 1)
    assert client.get(past["picture_url"]).headers["content-type"] == "image/webp"
    read = "".join(word["text"] for word in past["seen"]["words"])
    assert read
    assert "抹茶茶碗「雪」".startswith(read.strip())


@pytest.mark.parametrize("product_id", ["unicorn", "upload-0123456789abcdef", "../catalog"])
def test_an_unknown_product_is_told(client: TestClient, product_id: str) -> None:
    ask = {"user_id": "ann", "product_id": product_id}
    answer = client.post("/studio/api/ads", json=ask)
    assert answer.status_code == 404
    assert answer.json()["detail"][0]["loc"] == ["body", "product_id"]


@pytest.mark.parametrize("key", ["", "not the key of this server"])
def test_promoting_needs_the_key(client: TestClient, key: str) -> None:
    answer = client.post("/studio/api/promote", json={"version": 2}, headers={"X-API-Key": key})
    assert answer.status_code == 401
    assert client.get("/studio/api/loop").json()["key_needed"] is True


def test_another_sites_page_moves_nothing(client: TestClient) -> None:
    headers = {**KEYED, "Sec-Fetch-Site": "cross-site"}
    answer = client.post("/studio/api/promote", json={"version": 2}, headers=headers)
    assert answer.status_code == 403


def test_promote_and_roll_back_move_the_champion(client: TestClient, settings: Settings) -> None:
    registry = home.registry_with_base(settings)
    assert client.get("/studio/api/loop").json()["registry"]["back_to"] is None
    assert client.post("/studio/api/rollback").status_code == 409
    assert client.post("/studio/api/promote", json={"version": 99}).status_code == 404
    assert client.post("/studio/api/promote", json={"version": 2}).json() == {"champion": 2}
    assert registry.champion().number == 2
    assert client.get("/studio/api/loop").json()["registry"]["back_to"] == 1
    assert client.post("/studio/api/rollback").json() == {"champion": 1}
    assert registry.champion().number == 1


def test_a_version_that_the_gate_refused_says_why_and_is_promoted_only_anyway(
    client: TestClient, settings: Settings
) -> None:
    registry = home.registry_with_base(settings)
    why = "PBS 0.100, the champion's is 0.260 (difference -0.200 to -0.120)"
    tags = {"gate": "failed", "gate_objections": why, "adapter_removed": "2026-01-02"}

    def card() -> dict[str, Any]:
        versions: list[dict[str, Any]] = client.get("/studio/api/loop").json()["registry"][
            "versions"
        ]
        return versions[0]

    passed = card()
    assert (passed["number"], passed["why"], passed["drawable"]) == (2, "", True)
    assert passed["run_id"] == registry.version(2).run_id
    assert passed["run_url"] is None  # a file has no page
    for tag in ("gate", "gate_objections"):
        registry.model.tag_version(2, tag, tags[tag])
    assert card()["why"] == why
    answer = client.post("/studio/api/promote", json={"version": 2})
    assert answer.status_code == 409
    assert why in answer.json()["detail"]
    assert registry.champion().number == 1
    anyway = {"version": 2, "anyway": True}
    assert client.post("/studio/api/promote", json=anyway).json() == {"champion": 2}
    client.post("/studio/api/rollback")
    registry.model.tag_version(2, "adapter_removed", tags["adapter_removed"])
    assert card()["drawable"] is False
    assert client.post("/studio/api/promote", json=anyway).status_code == 409
    for tag in tags:
        registry.model.untag_version(2, tag)


def test_a_run_is_linked_where_mlflow_has_a_web_address() -> None:
    pages = Path(mlflow.__file__).parent / "server/js/build/static/js"
    assert any('"/runs/:runUuid"' in page.read_text() for page in pages.glob("main*.js"))
    linked = run_url("ab12", "https://ann:secret@mlflow.shop.example/base/")
    assert linked == "https://mlflow.shop.example/base/#/runs/ab12"
    assert run_url("ab12", "sqlite:///home/mlflow.db") is None
    assert run_url("ab12", "databricks://profile") is None
    assert run_url("", "https://mlflow.shop.example") is None
