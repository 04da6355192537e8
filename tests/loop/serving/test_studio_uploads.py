"""Pictures that a person brings to the studio, over the real server."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from tests.loop.serving.studio_parts import KEYED, png, studio_settings

UPLOAD = {"name": "Oak Stool", "category": "home", "selling_points": ["hand made", "oak wood"]}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return studio_settings(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers=KEYED) as client:
        yield client


def bomb() -> bytes:
    """A small file whose header promises 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def upload(client: TestClient, content: bytes, media_type: str = "image/png", **told: Any) -> Any:
    return client.post(
        "/studio/api/uploads",
        params=UPLOAD | told,
        content=content,
        headers={"content-type": media_type},
    )


def test_an_uploaded_cutout_is_drawn(client: TestClient) -> None:
    sent = upload(client, png())
    assert sent.status_code == 201, sent.text
    product = sent.json()
    kept = Image.open(io.BytesIO(client.get(product["picture_url"]).content))
    assert kept.size == (20, 20)
    ask = {"user_id": "clicker", "product_id": product["product_id"]}
    ads = client.post("/studio/api/ads", json=ask)
    assert ads.status_code == 200, ads.text
    assert len(ads.json()) == 2


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "PNG"])
def test_a_picture_of_any_kind_is_taken_whatever_its_type_is_called(
    client: TestClient, kind: str
) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((80, 60), 90).convert("RGB").save(buffer, kind)
    sent = upload(client, buffer.getvalue(), "text/plain")
    assert sent.status_code == 201, sent.text
    assert client.get(sent.json()["picture_url"]).status_code == 200


def test_a_picture_that_cannot_be_cut_out_is_drawn_whole_with_a_note(client: TestClient) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((80, 60), 90).convert("RGB").save(buffer, "PNG")
    product = upload(client, buffer.getvalue()).json()
    assert any(note.startswith("Shown whole: it cannot be cut out") for note in product["notes"])
    ask = {"user_id": "clicker", "product_id": product["product_id"]}
    assert client.post("/studio/api/ads", json=ask).status_code == 200


def test_an_upload_needs_no_more_than_a_name_in_any_script(client: TestClient) -> None:
    told: dict[str, Any] = {"name": "抹茶茶碗「雪」", "category": "", "selling_points": []}
    product = upload(client, png(), **told).json()
    assert (product["name"], product["category"]) == ("抹茶茶碗「雪」", "")
    assert product["selling_points"] == []


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 301}, "name"),
        ({"name": "<br>"}, "name"),
        ({"selling_points": ["x"]}, "selling_points"),
        ({"selling_points": [f"point {n}" for n in range(11)]}, "selling_points"),
        ({"category": "x" * 751}, "category"),
    ],
)
def test_a_wrong_field_of_an_upload_is_named(
    client: TestClient, told: dict[str, Any], field: str
) -> None:
    answer = upload(client, png(), **told)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["query", field]


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"not a picture", bomb(), png()[:60]])
def test_a_bad_picture_is_refused_by_name(client: TestClient, content: bytes) -> None:
    answer = upload(client, content)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["loc"] == ["body", "picture"]


def test_a_picture_over_32_megabytes_is_refused(client: TestClient) -> None:
    assert upload(client, bytes((32 << 20) + 1)).status_code == 413
