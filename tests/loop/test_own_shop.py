"""A shop of one's own, from an empty folder: feed, ads, clicks, then ads drawn and a round.

It speaks German and Japanese, and nothing of the package is touched for it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adloom.loop.catalogue.opening import open_catalogue
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings, load_settings
from tests.adloom_process import AdloomProcess
from tests.checkout import CHECKOUT

pytestmark = pytest.mark.slow
HAUSHALT = CHECKOUT / "tests" / "shops" / "haushalt"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "haushalt"
    return Path(shutil.copytree(HAUSHALT, folder))


def adloom(shop: Path, *arguments: str) -> Any:
    """What a command prints as JSON, run in the shop's folder."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ADLOOM_")}
    command = AdloomProcess(*arguments, "--json", folder=shop, environment=environment)
    status, told, problems = command.ended()
    assert status == 0, problems
    return json.loads(told)


@pytest.fixture(scope="module")
def filled(shop: Path) -> dict[str, dict[str, Any]]:
    """The four commands of the README but for the server: what each printed."""
    return {
        "feed": adloom(shop, "catalog", "import", "feed.csv"),
        "ads": adloom(shop, "creatives", "import", "ads.csv"),
        "clicks": adloom(shop, "replay", "clicks.csv"),
    }


@pytest.fixture(scope="module")
def settings(shop: Path, filled: dict[str, dict[str, Any]]) -> Settings:
    read = load_settings(shop / "adloom.toml")
    catalog = read.catalog.model_copy(update={"source": str(shop / "feed.csv")})
    return read.model_copy(update={"home": shop / ".adloom", "catalog": catalog})


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        yield client


def test_all_that_is_right_goes_in_and_the_rest_is_named(
    filled: dict[str, dict[str, Any]],
) -> None:
    expected = json.loads((HAUSHALT / "expected.json").read_text())
    feed, ads, clicks = filled["feed"], filled["ads"], filled["clicks"]
    assert feed["new"] == expected["products"]
    refused = {n["line"]: n for n in feed["notes"] if n["kind"] == "refused"}
    for row in expected["refused"]["feed.csv"]:
        assert refused[row["line"]]["product_id"] == row["id"]
    assert len(refused) == len(expected["refused"]["feed.csv"])
    assert ads["new"] == expected["ads"]
    assert [row["line"] for row in ads["refused_rows"]] == [
        row["line"] for row in expected["refused"]["ads.csv"]
    ]
    assert clicks["exact"]
    assert (clicks["impressions"], clicks["clicks"]) == (1_500, 588)


def test_importing_again_changes_nothing(shop: Path, filled: dict[str, dict[str, Any]]) -> None:
    again = adloom(shop, "catalog", "import", "feed.csv")
    assert (again["new"], again["changed"], again["retired"]) == (0, 0, 0)
    assert again["unchanged"] == filled["feed"]["new"]
    ads = adloom(shop, "creatives", "import", "ads.csv")
    assert (ads["new"], ads["unchanged"]) == (0, filled["ads"]["new"])


def test_every_product_gets_a_whole_title_in_its_own_words(
    client: TestClient, settings: Settings
) -> None:
    catalogue = open_catalogue(settings.home)
    products = [entry.product for entry in catalogue.page(limit=100)]
    assert {product.language for product in products} == {"de", "ja"}

    def asked(number: int) -> Any:
        body = {"user_id": f"kd-{number % 40:03d}", "product_id": products[number].product_id}
        return client.post("/v1/ads", json={**body, "seed": 1})

    with ThreadPoolExecutor(8) as several:  # they are drawn together, which takes half the time
        answers = list(several.map(asked, range(len(products))))
    for product, ad in zip(products, answers, strict=True):
        assert ad.status_code == 200, ad.text
        title = ad.json()["title"]
        assert title.strip()
        assert "\N{REPLACEMENT CHARACTER}" not in title
        long = product.product_id == "K-1012"  # and it has no short name
        named = (product.name[:30],) if long else (product.name, product.short_name or product.name)
        assert any(name in title for name in named), (title, product.name)


def test_an_ad_is_made_after_the_shoppers_own_clicks(client: TestClient) -> None:
    asked = {"user_id": "kd-005", "product_id": "K-1001", "seed": 1, "inline_picture": True}
    ad = client.post("/v1/ads", json=asked).json()
    assert ad["personalised"]
    assert ad["history"]
    for past in ad["history"]:
        shown = client.get(past["picture_url"])
        assert shown.status_code == 200
        assert shown.headers["content-type"].startswith("image/")
    other = client.post("/v1/ads", json=asked | {"user_id": "kd-011"}).json()
    assert other["picture_png"] != ad["picture_png"]


def test_a_click_on_an_ad_is_taken_and_a_round_learns_from_all(
    client: TestClient, shop: Path, settings: Settings
) -> None:
    ad = client.post("/v1/ads", json={"user_id": "kd-005", "product_id": "K-1001"}).json()
    click = {
        "event_id": "c1",
        "ts": "2026-02-20T12:00:00Z",
        "user_id": "kd-005",
        "item_id": "K-1001",
        "ad_id": ad["ad_id"],
    }
    assert client.post("/v1/events", json={"clicks": [click]}).status_code == 202
    small = (
        "\n[fine_tune]\nmax_steps = 2\nbatch_size = 4\nrank = 2\n"
        "[fine_tune.trend]\nmax_steps = 2\nitems = [0]\n[gate]\nads = 2\n"
        "[rounds]\nmax_heldout = 8\nmax_examples = 60\nmax_replay = 8\nmax_pairs = 4\n"
    )
    with (shop / "adloom.toml").open("a") as file:
        file.write(small)
    outcome = adloom(shop, "train-round", "--force")
    assert outcome["version"] == 2
    assert outcome["train_clicks"] > 20
    # The signature that the version shows needs no catalogue: its example brings its product.
    versions = adloom(shop, "versions")
    assert [one["version"] for one in versions] == [1, 2]
