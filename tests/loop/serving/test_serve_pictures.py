"""Servers of one shop show one another's pictures, from an object store that may go away."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from adloom.loop.catalogue.picture_files import object_store
from adloom.loop.catalogue.pictures.store import png_bytes
from adloom.loop.catalogue.taking_over.pictures import take_over_pictures
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from tests.loop_parts import server_of, tiny_settings
from tests.s3_server import S3Server, running_s3
from tests.tcp_gate import TcpGate

AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        yield server


@pytest.fixture
def gate(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpGate]:
    monkeypatch.setattr(object_store, "_LOOK_SECONDS", 0.1)
    gate = TcpGate(s3.port)
    yield gate
    gate.close()


def settings_of(tmp_path: Path, s3: S3Server, gate: TcpGate, **more: str) -> Settings:
    """A new home, whose demo products lie at a new place."""
    place = s3.new_place(gate.port)
    settings = tiny_settings(
        tmp_path, pictures={"url": place.url, "endpoint_url": place.endpoint_url, **more}
    )
    take_over_pictures(settings.home, settings.pictures)
    return settings


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def problems(client: TestClient) -> dict[str, str]:
    told: dict[str, str] = client.get("/readyz").json().get("problems", {})
    return told


def test_a_picture_is_served_by_every_server_and_told_when_its_store_is_away(
    tmp_path: Path, s3: S3Server, gate: TcpGate
) -> None:
    settings = settings_of(tmp_path, s3, gate)
    with ExitStack() as parts:
        one, other = (parts.enter_context(TestClient(create_app(settings))) for _ in range(2))
        drawn = one.post("/v1/ads", json=AD).json()
        shown = other.get(drawn["picture_url"])
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
        assert Image.open(io.BytesIO(shown.content)).size == (512, 512)
        assert not list(settings.home.rglob("*.webp"))
        until(lambda: problems(one) == {})

        # Away: what was read goes on being drawn, and its picture waits here.
        gate.set("refuse")
        until(lambda: "pictures" in problems(one))
        assert one.get("/readyz").json()["status"] == "degraded"
        made = one.post("/v1/ads", json=AD | {"seed": 8})
        assert made.status_code == 200
        url = made.json()["picture_url"]
        assert one.get(url).status_code == 200
        until(lambda: "pictures" in problems(other))
        refused = other.get(url)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.json()["detail"] == "the pictures are away: /readyz says why"
        unread = one.post("/v1/ads", json=AD | {"product_id": "coffee-mug"})
        assert unread.status_code == 503
        assert 'adloom_part_up{part="pictures"} 0.0' in one.get("/metrics").text
        assert "adloom_pictures_waiting 1.0" in one.get("/metrics").text

        gate.set("open")
        until(lambda: other.get(url).status_code == 200)
        until(lambda: problems(one) == {})
        assert one.post("/v1/ads", json=AD | {"product_id": "coffee-mug"}).status_code == 200


def test_shoppers_are_sent_to_a_public_address_for_what_lies_there(
    tmp_path: Path, s3: S3Server, gate: TcpGate
) -> None:
    settings = settings_of(tmp_path, s3, gate, public_url="https://cdn.shop.example/ads/")
    with TestClient(create_app(settings), follow_redirects=False) as client:
        url = client.post("/v1/ads", json=AD).json()["picture_url"]
        name = url.rpartition("/")[2]
        sent = client.get(url)
        wanted = f"https://cdn.shop.example/ads/{name[:2]}/{name}"
        assert (sent.status_code, sent.headers["location"]) == (307, wanted)
        assert client.get(f"/v1/pictures/{'0' * 64}.webp").status_code == 404

        gate.set("refuse")  # what waits on this machine lies nowhere else
        until(lambda: "pictures" in problems(client))
        waits = client.post("/v1/ads", json=AD | {"seed": 8}).json()["picture_url"]
        assert client.get(waits).status_code == 200


@pytest.mark.parametrize("shared", [False, True])
def test_a_folder_that_goes_away_under_a_server_is_told_and_comes_back(
    tmp_path: Path, shared: bool
) -> None:
    place = tmp_path / "mounted"
    settings = tiny_settings(tmp_path, **({"pictures": {"url": str(place)}} if shared else {}))
    if shared:
        take_over_pictures(settings.home, settings.pictures)
    else:
        place = settings.home / "catalogue" / "pictures"
    with TestClient(create_app(settings)) as client:
        kept = client.post("/v1/ads", json=AD).json()
        until(lambda: problems(client) == {})
        away = place.rename(tmp_path / "away")
        until(lambda: "is gone" in problems(client).get("pictures", ""))
        assert client.get("/readyz").json()["status"] == "degraded"
        for more in ({"seed": 8}, {"product_id": "coffee-mug"}, {"inline_picture": True}):
            refused = client.post("/v1/ads", json=AD | more)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert client.get(kept["picture_url"]).status_code == 503
        assert not place.exists()  # a new one would stand in the way of the old

        place.mkdir()  # as the point that something was mounted at
        until(lambda: "mount it again" in problems(client).get("pictures", ""))
        assert client.post("/v1/ads", json=AD | {"seed": 9}).status_code == 503
        place.rmdir()
        away.rename(place)
        until(lambda: problems(client) == {})
        assert client.post("/v1/ads", json=AD | {"product_id": "coffee-mug"}).status_code == 200
        assert client.get(kept["picture_url"]).status_code == 200


def test_the_picture_of_an_ad_of_an_earlier_release_is_found_by_either_ending(
    tmp_path: Path,
) -> None:
    with TestClient(create_app(tiny_settings(tmp_path))) as client:
        old = png_bytes(Image.new("RGB", (16, 16), "red"))
        name = server_of(client).pictures.files.png.put(old)
        for ending in ("png", "webp"):
            shown = client.get(f"/v1/pictures/{name}.{ending}")
            assert (shown.content, shown.headers["content-type"]) == (old, "image/png")
