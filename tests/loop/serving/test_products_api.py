"""Products by HTTP over the real server: what goes in, what is refused, and by which words."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from adloom.loop.serving.app import create_app
from tests.loop_parts import server_of, tiny_settings

KEY = "a-key-of-sixteen-or-more"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = tiny_settings(
        tmp_path_factory.mktemp("products"),
        serve={"api_keys": [KEY]},
        catalog={
            "hosts": ["cdn.shop.example", "127.0.0.1"],
            "max_picture_bytes": 200_000,
            "language": "de",
        },
    )
    with TestClient(create_app(settings), headers={"X-API-Key": KEY}) as client:
        yield client


def picture(side: int = 40, colour: tuple[int, int, int] = (200, 80, 20)) -> str:
    """A square on nothing: PNG, base64."""
    drawn = Image.new("RGBA", (2 * side, 2 * side))
    drawn.paste((*colour, 255), (side // 2, side // 2, side + side // 2, side + side // 2))
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def mill(**changes: Any) -> dict[str, Any]:
    told = {
        "id": "4711",
        "title": "Salz- & Pfeffermühle <Duo>",
        "product_type": "Küche > Mühlen",
        "product_highlight": ["aus Eiche", "Keramikmahlwerk"],
        "price": "39.90 EUR",
        "image": picture(),
    }
    return {name: value for name, value in (told | changes).items() if value is not None}


def post(client: TestClient, *products: Any) -> Any:
    return client.post("/v1/products", json={"products": list(products)})


def path(product_id: str) -> str:
    return f"/v1/products/{quote(product_id, safe='')}"


def draw(client: TestClient, product_id: str, user_id: str = "ann") -> Any:
    return client.post("/v1/ads", json={"user_id": user_id, "product_id": product_id})


def test_a_product_is_drawn_as_soon_as_it_is_sent(client: TestClient) -> None:
    assert draw(client, "drawn-at-once").status_code == 404
    taken = post(client, mill(id="drawn-at-once"))
    assert taken.status_code == 200, taken.text
    assert (taken.json()["new"], taken.json()["refused"]) == (1, [])
    ad = draw(client, "drawn-at-once")
    assert ad.status_code == 200, ad.text
    assert ad.json()["product_id"] == "drawn-at-once"


def test_what_came_and_went_is_counted(client: TestClient) -> None:
    def counted(outcome: str) -> float:
        name = f'adloom_catalogue_products_total{{outcome="{outcome}"}} '
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    before = counted("new"), counted("refused"), counted("retired")
    post(client, mill(id="counted"), mill(id=""))
    client.delete(path("counted"))
    assert (counted("new"), counted("refused"), counted("retired")) == tuple(n + 1 for n in before)


def test_the_same_again_changes_nothing_and_another_price_does(client: TestClient) -> None:
    post(client, mill(id="again"))
    assert post(client, mill(id="again")).json()["unchanged"] == 1
    assert post(client, mill(id="again", price="29.90 EUR")).json()["changed"] == 1
    assert client.get(path("again")).json()["price"] == "29.90 EUR"


def test_a_product_without_a_picture_keeps_the_one_that_it_has(client: TestClient) -> None:
    assert post(client, mill(id="kept")).status_code == 200
    before = server_of(client).catalogue["kept"]
    answer = post(client, mill(id="kept", price="12.00 EUR", image=None))
    assert (answer.status_code, answer.json()["changed"]) == (200, 1)
    after = server_of(client).catalogue["kept"]
    assert (after.cutout_name, after.picture_name) == (before.cutout_name, before.picture_name)
    assert str(after.price) == "12.00 EUR"
    assert post(client, mill(id="unkept", image=None)).status_code == 422


def test_what_is_told_of_a_product_can_be_sent_again(client: TestClient) -> None:
    post(client, mill(id="round-trip", language="pt-BR"))
    told = client.get(path("round-trip")).json()
    assert told["language"] == "pt-BR"
    assert post(client, told | {"image": picture()}).json()["unchanged"] == 1


def test_an_id_that_is_a_number_has_its_picture(client: TestClient) -> None:
    taken = post(client, mill(id=815), mill(id=816.0)).json()
    assert (taken["new"], taken["refused"]) == (2, [])
    assert client.get("/v1/products/815").json()["id"] == "815"
    assert client.get("/v1/products/816").json()["id"] == "816"


@pytest.mark.parametrize("product_id", ["a/b/c", "two words", "抹茶/茶碗「雪」", "50%", "a?b#c"])
def test_any_id_is_shown_drawn_and_retired(client: TestClient, product_id: str) -> None:
    assert post(client, mill(id=product_id)).json()["new"] == 1
    assert client.get(path(product_id)).json()["id"] == product_id
    assert draw(client, product_id).status_code == 200
    assert client.delete(path(product_id)).json() == {"retired": [product_id]}
    assert client.get(path(product_id)).json()["retired"] is True


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": None}, "id: is missing"),
        ({"id": "x" * 129}, "id: is longer than 128"),
        ({"id": ["a", {"b": 1}]}, None),
        ({"id": {"b": 1}}, "id: "),
        ({"id": True, "title": 7, "price": {}}, "price: "),
        ({"title": None}, "title: is missing"),
        ({"title": "   "}, "title: is missing"),
        ({"title": "half \ud800"}, "'title': holds half a character"),
        ({"\udfff": 1}, "half a character"),
        ({"price": "auf Anfrage"}, "price: "),
        ({"price": -5, "currency": "EUR"}, "price: "),
        ({"price": 39.9}, "price: "),
        ({"sale_price": "1.00 USD"}, "sale_price: is in USD"),
        ({"availability": "vielleicht"}, "availability: "),
        ({"content_language": "deutsch, bitte"}, "content_language: "),
        ({"link": "javascript:alert(1)"}, "link: "),
        ({"image": None}, "image_link: there is none"),
        ({"image": "that is no picture"}, "image: not base64"),
        ({"image": "Käse"}, "image: not base64"),
        ({"image": ""}, "image: is empty"),
        ({"image": 7}, "image: not text"),
        ({"image": base64.b64encode(b"no picture").decode()}, "image: this is no picture"),
        (
            {"image": base64.b64encode(bytes(200_001)).decode()},
            "image: the picture's file is larger",
        ),
        ({"image": picture(4)}, "image: the picture has only 8 x 8"),
        ({"image": None, "image_link": "pictures/a.jpg"}, "image_link: only an https address"),
        ({"image": None, "image_link": "../../etc/passwd"}, "image_link: "),
        ({"image": None, "image_link": "file:///etc/passwd"}, "image_link: "),
        ({"image": None, "image_link": "http://cdn.shop.example/a.jpg"}, "image_link: "),
        ({"image": None, "image_link": "https://elsewhere.example/a.jpg"}, "image_link: "),
        ({"image": None, "image_link": "https://127.0.0.1/a.jpg"}, "image_link: "),
        ({"image": None, "image_link": "https://[::1]/a.jpg"}, "image_link: "),
    ],
)
def test_what_is_no_product_is_refused_by_field_and_the_rest_goes_in(
    client: TestClient, changes: dict[str, Any], told: str | None
) -> None:
    good, bad = mill(id="good", title=f"Mühle {time.monotonic_ns()}"), mill(**changes)
    answer = _post_any(client, bad, good)
    assert answer.status_code == 200, answer.text
    taken = answer.json()
    if told is None:  # of several values the first one counts
        assert taken["refused"] == []
        return
    assert taken["new"] + taken["changed"] == 1
    [refused] = taken["refused"]
    assert refused["index"] == 0
    assert told in refused["text"]
    alone = _post_any(client, bad)
    assert alone.status_code == 422
    [problem] = alone.json()["detail"]
    assert problem["loc"][:3] == ["body", "products", 0]
    assert problem["msg"] == refused["text"]


def _post_any(client: TestClient, *products: Any) -> Any:
    """Halves of characters too, which the client's own JSON does not take."""
    content = json.dumps({"products": list(products)}).encode()
    headers = {"content-type": "application/json"}
    return client.post("/v1/products", content=content, headers=headers)


def test_what_is_refused_stays_as_it_was(client: TestClient) -> None:
    post(client, mill(id="stays"))
    assert post(client, mill(id="stays", price="none")).status_code == 422
    assert client.get(path("stays")).json()["price"] == "39.90 EUR"


def test_an_id_twice_in_a_request_is_refused_the_second_time(client: TestClient) -> None:
    taken = post(client, mill(id="twice"), mill(id="twice", title="Another")).json()
    assert taken["new"] == 1
    assert [(note["index"], note["id"]) for note in taken["refused"]] == [(1, "twice")]
    assert client.get(path("twice")).json()["title"] == mill()["title"]


def test_attributes_that_nobody_reads_are_told(client: TestClient) -> None:
    notes = post(client, mill(id="coloured", color="rot", gtin=1)).json()["notes"]
    told = "'color', 'gtin': passed over, adloom reads no such attribute"
    assert told in [note["text"] for note in notes]


def test_a_picture_that_cannot_be_cut_out_is_told_and_drawn(client: TestClient) -> None:
    noise = Image.effect_noise((80, 80), 90).convert("RGB")
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    sent = mill(id="whole", image=base64.b64encode(buffer.getvalue()).decode())
    notes = post(client, sent).json()["notes"]
    assert any(note["text"].startswith("image: cannot be cut out") for note in notes)
    assert draw(client, "whole").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, ["body", "products"]),
        ({"products": []}, ["body", "products"]),
        ({"products": {}}, ["body", "products"]),
        ({"products": ["a"]}, ["body", "products", 0]),
        ({"products": [{"id": str(n)} for n in range(101)]}, ["body", "products"]),
        ({"products": [{}], "dry": True}, ["body", "dry"]),
    ],
)
def test_a_body_that_is_none_is_refused_by_field(
    client: TestClient, body: dict[str, Any], field: list[str | int]
) -> None:
    answer = client.post("/v1/products", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == field


def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    answer = client.post("/v1/products", content=bytes((32 << 20) + 1))
    assert answer.status_code == 413


def test_a_retired_product_is_not_drawn_and_comes_back_when_it_is_sent(client: TestClient) -> None:
    post(client, mill(id="comes-back"))
    assert client.delete(path("comes-back")).json() == {"retired": ["comes-back"]}
    assert client.delete(path("comes-back")).json() == {"retired": []}
    refused = draw(client, "comes-back")
    assert refused.status_code == 404
    assert "retired" in refused.json()["detail"][0]["msg"]
    listed = client.get("/v1/products", params={"search": "comes-back"}).json()
    retired = client.get("/v1/products", params={"search": "comes-back", "retired": True}).json()
    assert (len(listed), len(retired)) == (0, 1)
    assert post(client, mill(id="comes-back")).json()["changed"] == 1
    assert draw(client, "comes-back").status_code == 200


def test_clicks_on_a_retired_product_stay_in_histories(client: TestClient) -> None:
    post(client, mill(id="clicked"))
    ad = draw(client, "clicked").json()
    clicks = [
        {
            "event_id": f"c-{n}",
            "ts": datetime.now(UTC).isoformat(),
            "user_id": "clicker",
            "item_id": "clicked",
            **told,
        }
        for n, told in enumerate([{"ad_id": ad["ad_id"]}, {}])
    ]
    assert client.post("/v1/events", json={"clicks": clicks}).status_code == 202
    server = server_of(client)
    while len(server.features.history("clicker")) < 2:
        server.stop.wait(0.1)
    server.maker.histories.look()
    client.delete(path("clicked"))
    history = draw(client, "running-shoes", "clicker").json()["history"]
    assert {past["ad_id"] for past in history} == {ad["ad_id"], None}
    for past in history:
        assert past["product_id"] == "clicked"
        assert client.get(past["picture_url"]).status_code == 200


@pytest.mark.parametrize(
    ("method", "where"),
    [
        ("POST", "/v1/products"),
        ("GET", "/v1/products"),
        ("GET", "/v1/products/running-shoes"),
        ("DELETE", "/v1/products/running-shoes"),
    ],
)
def test_a_key_is_asked_for(client: TestClient, method: str, where: str) -> None:
    headers = {"X-API-Key": "not-the-key-of-this-server"}
    body = {"products": [mill()]} if method == "POST" else None
    assert client.request(method, where, headers=headers, json=body).status_code == 401


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_product_is_told(client: TestClient, method: str) -> None:
    answer = client.request(method, "/v1/products/no/such/thing")
    assert answer.status_code == 404
    assert answer.json()["detail"][0]["loc"] == ["path", "product_id"]


def test_products_are_listed_by_pages(client: TestClient) -> None:
    listed: list[str] = []
    while page := client.get(
        "/v1/products", params={"after": listed[-1] if listed else "", "limit": 50}
    ).json():
        listed += [product["id"] for product in page]
    assert "running-shoes" in listed
    assert listed == sorted(set(listed))
    assert len(listed) == server_of(client).catalogue.count()
