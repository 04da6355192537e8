"""Shoppers use a shop's pages, and a person the studio behind a proxy, in a real Chromium."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from adloom.loop import home
from adloom.loop.settings import Settings
from tests.loop.serving.in_chromium import (
    click,
    fill,
    open_page,
    serving,
    text,
    wait,
)
from tests.loop.serving.shop_pages import PUBLIC_KEY, Site, site
from tests.loop.serving.studio_parts import KEY, studio_settings
from tests.loop.serving.studio_person import give_key

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("pages")) as shops:
        yield shops


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, shops: Site) -> Settings:
    serve = {
        "publishable_keys": [PUBLIC_KEY],
        "cors_origins": [shops.shop],
        "public_url": shops.public_url,
    }
    return studio_settings(tmp_path_factory.mktemp("studio"), serve)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, shops: Site, address: str) -> Iterator[Site]:
    """The same, with a proxy before the server."""
    with shops.proxy(tmp_path_factory.mktemp("proxy"), address):
        yield shops


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    with serving(settings) as address:
        yield address


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_shops_page_tells_what_is_seen_and_clicked_and_anothers_does_not(
    browser: webdriver.Chrome, settings: Settings, proxy: Site
) -> None:
    open_page(browser, proxy.other, 1280)
    click(browser, "#ad")
    until(lambda: 'status="403"' in _of_events(proxy))
    open_page(browser, proxy.shop, 1280)
    until(lambda: 'status="202"' in _of_events(proxy))  # seen, a second after it came into view
    click(browser, "#ad")
    click(browser, "#drawn")
    log = home.open_log(settings)
    until(lambda: len(log.read("click")) == 2 and len(log.read("impression")) == 2)
    seen = log.read("impression").sort_values("item_id")
    assert list(seen["item_id"]) == ["desk-lamp", "running-shoes"]
    assert list(seen["user_id"]) == ["of-shop-2", "of-shop"]
    clicked = log.read("click").sort_values("ad_id")
    assert list(clicked["user_id"]) == ["of-shop", "of-shop"]
    assert list(clicked["item_id"]) == ["running-shoes", "straw-hat"]
    assert list(clicked["ad_id"]) == ["ad-1", "ad-2"]  # that was counted as shown with its answer


def _of_events(site: Site) -> str:
    """The lines of metrics that count requests to the route of events."""
    told = httpx.get(f"{site.public_url}/metrics").text.splitlines()
    return "\n".join(line for line in told if 'route="/v1/events"' in line and "_total" in line)


def test_studio_docs_and_pictures_are_shown_below_a_path(
    browser: webdriver.Chrome, proxy: Site
) -> None:
    for address in proxy.addresses:
        open_page(browser, f"{address}/", 1280)
        assert browser.current_url == f"{address}/studio"
        give_key(browser)
        fill(browser, "product-search", "running")
        wait(browser, "[data-product=running-shoes]")
        click(browser, "[data-product=running-shoes]")
        wait(browser, "#picked img")
        until(lambda: _width(browser, "#picked img") > 0)
    fill(browser, "shopper", "ann")
    click(browser, "#draw")
    wait(browser, "[data-variant=champion] img")
    until(lambda: _width(browser, "[data-variant=champion] img") > 0)

    browser.get(f"{proxy.public_url}/docs")
    assert "'/ads/openapi.json'" in browser.page_source
    browser.get(f"{proxy.public_url}/openapi.json")
    assert '"servers":[{"url":"/ads"}]' in text(browser, "body")

    wanted = {"user_id": "ann", "product_id": "running-shoes"}
    key = {"X-API-Key": KEY}
    ad = httpx.post(f"{proxy.public_url}/v1/ads", json=wanted, headers=key, timeout=60).json()
    assert ad["picture_url"].startswith(f"{proxy.public_url}/v1/pictures/")
    browser.get(ad["picture_url"])
    assert browser.find_element(By.TAG_NAME, "img").size["width"] > 0


def _width(browser: webdriver.Chrome, css: str) -> int:
    script = "return document.querySelector(arguments[0])?.naturalWidth ?? 0"
    return int(browser.execute_script(script, css))
