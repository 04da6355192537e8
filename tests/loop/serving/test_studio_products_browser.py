"""A person finds, uploads and browses products in the studio, in a real Chromium."""

from __future__ import annotations

import base64
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from adloom.loop import home
from adloom.loop.catalogue.intake.feed import import_feed
from adloom.loop.settings import Settings
from adloom.loop.settings.catalogue import CatalogSettings
from tests.loop.serving.in_chromium import (
    click,
    errors,
    fill,
    open_page,
    serving,
    text,
    wait,
)
from tests.loop.serving.studio_parts import KEYED, png, studio_settings
from tests.loop.serving.studio_person import WIDTH, open_studio
from tests.loop_parts import tiny_settings

pytestmark = pytest.mark.slow
HAUSHALT = Path(__file__).parents[2] / "shops/haushalt"
PICTURE = base64.b64encode(png()).decode()
COLUMNS = tomllib.loads((HAUSHALT / "adloom.toml").read_text())["catalog"]["columns"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return studio_settings(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def address(settings: Settings, browser: webdriver.Chrome) -> Iterator[str]:
    """After the browser: without one nothing need be served."""
    with serving(settings) as address:
        yield address


def feed_of(folder: Path, *product_ids: str) -> Path:
    """The feed of the shop with these alone."""
    head, *rows = (HAUSHALT / "feed.csv").read_text().splitlines()
    shutil.copytree(HAUSHALT / "pictures", folder / "pictures")
    feed = folder / "feed.csv"
    feed.write_text("\n".join([head, *(r for r in rows if r.split(";")[0] in product_ids)]))
    return feed


def names(browser: webdriver.Chrome) -> list[str]:
    script = "return [...document.querySelectorAll('[data-product]')].map(tile => tile.innerText)"
    found: list[str] = browser.execute_script(script)
    return found


def test_a_person_searches_and_scrolls_through_the_products(
    browser: webdriver.Chrome, address: str
) -> None:
    open_studio(browser, address, 1280)
    assert len(names(browser)) == 60
    script = "const box = document.getElementById('products'); box.scrollTop = box.scrollHeight"
    browser.execute_script(script)
    WebDriverWait(browser, 30).until(lambda b: len(names(b)) == 117)
    fill(browser, "product-search", "Ballet")
    WebDriverWait(browser, 30).until(lambda b: names(b) == ["Ballet Flats"])
    fill(browser, "product-search", "nothing like it")
    wait(browser, "#products .empty")
    assert errors(browser) == []


def test_a_person_uploads_a_photo_and_sees_why_it_is_shown_whole(
    browser: webdriver.Chrome, address: str, tmp_path: Path
) -> None:
    photo = tmp_path / "Löffel.jpg"
    Image.effect_noise((300, 200), 90).convert("RGB").save(photo)
    open_studio(browser, address, 1280)
    click(browser, ".upload summary")
    browser.find_element(By.ID, "picture").send_keys(str(photo))
    fill(browser, "upload-name", "木のスプーン")
    fill(browser, "upload-category", "Küche > Löffel")
    click(browser, "#upload-button")
    wait(browser, "[data-product^=upload-][aria-pressed=true]")
    picked = text(browser, "#picked")
    assert "木のスプーン" in picked
    assert "Shown whole: it cannot be cut out" in picked
    fill(browser, "shopper", "ann")
    click(browser, "#draw")
    wait(browser, "[data-variant=champion] img")
    assert errors(browser) == []


def test_an_empty_shop_says_what_to_do_and_shows_what_is_imported_then(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    settings = tiny_settings(tmp_path)
    (settings.home / "adloom.db").unlink()
    with serving(settings) as address:
        open_page(browser, address, 390)
        wait(browser, "#no-products")
        told = text(browser, "#no-products")
        assert "adloom catalog import feed.csv" in told
        assert "sells nothing" in httpx.get(f"{address}/readyz").text
        catalogue = home.open_catalogue(settings)  # as another process has it
        catalog = CatalogSettings(language="de", columns=COLUMNS)
        import_feed(catalogue, str(feed_of(tmp_path, "J-2001", "K-1001")), catalog)
        catalogue.close()
        wait(browser, "[data-product='J-2001'] [lang=ja]")
        assert "sells nothing" not in httpx.get(f"{address}/readyz").text
        click(browser, "[data-product='J-2001']")
        assert "抹茶茶碗「雪」" in text(browser, "#picked")
        loaded = "return [...document.images].every(i => !i.complete || i.naturalWidth > 0)"
        assert browser.execute_script(loaded)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390
        assert errors(browser) == []
        browser.get("about:blank")  # before nobody answers any more


def test_a_person_walks_down_the_categories(browser: webdriver.Chrome, address: str) -> None:
    open_studio(browser, address, 1280)
    shelf = "[data-shelf='fashion']"
    wait(browser, shelf)
    click(browser, shelf)
    WebDriverWait(browser, 30).until(lambda b: 0 < len(names(b)) < 60)
    assert "Trail Running Shoes" in names(browser)
    assert text(browser, "#shelf-chosen") == "fashion"
    fill(browser, "product-search", "Ballet")
    WebDriverWait(browser, 30).until(lambda b: names(b) == ["Ballet Flats"])
    click(browser, "#shelf-clear")
    browser.find_element(By.ID, "product-search").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    WebDriverWait(browser, 30).until(lambda b: len(names(b)) == 60)
    assert errors(browser) == []


def test_categories_open_level_by_level(browser: webdriver.Chrome, address: str) -> None:
    products = [
        {"id": f"deep-{n}", "title": f"Deep {n}", "product_type": path, "image": PICTURE}
        for n, path in enumerate(("Garten > Töpfe > Groß", "Garten > Töpfe", "Garten > Bänke"))
    ]
    sent = httpx.post(f"{address}/v1/products", json={"products": products}, headers=KEYED)
    assert sent.status_code == 200, sent.text
    open_studio(browser, address, 390)
    click(browser, "#shelves-box summary")
    assert not browser.find_elements(By.CSS_SELECTOR, "[data-shelf='Garten > Töpfe']")
    for opened, inside in (
        ("What is in Garten", "Garten > Töpfe"),
        ("What is in Töpfe", "Garten > Töpfe > Groß"),
    ):
        wait(browser, f"[aria-label='{opened}']")
        click(browser, f"[aria-label='{opened}']")
        wait(browser, f"[data-shelf='{inside}']")
    click(browser, "[data-shelf='Garten > Töpfe']")
    WebDriverWait(browser, 30).until(lambda b: names(b) == ["Deep 1", "Deep 0"])
    assert browser.execute_script(WIDTH) == 390
    click(browser, "[aria-label='What is in Garten']")
    assert not browser.find_elements(By.CSS_SELECTOR, "[data-shelf='Garten > Töpfe']")
    assert errors(browser) == []
