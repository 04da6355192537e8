"""A person uses the studio, in a real Chromium."""

from __future__ import annotations

import shutil
import socket
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from adloom.loop import home
from adloom.loop.catalogue.intake.feed import import_feed
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from adloom.loop.settings.catalogue import CatalogSettings
from tests.loop.serving.studio_parts import KEY, studio_settings
from tests.loop_parts import tiny_settings

pytestmark = pytest.mark.slow
HAUSHALT = Path(__file__).parents[2] / "shops/haushalt"
COLUMNS = tomllib.loads((HAUSHALT / "adloom.toml").read_text())["catalog"]["columns"]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return studio_settings(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    with serving(settings) as address:
        yield address


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = chromium
    profile: Path = tmp_path_factory.mktemp("profile")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as running:
        yield running


def open_page(browser: webdriver.Chrome, address: str, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.get(address)


def open_studio(browser: webdriver.Chrome, address: str, width: int) -> None:
    open_page(browser, address, width)
    wait(browser, "#key-row:not([hidden])")
    fill(browser, "key", KEY + Keys.TAB)
    wait(browser, "[data-product]")
    wait(browser, "[data-promote], #rollback")


def wait(browser: webdriver.Chrome, css: str) -> None:
    WebDriverWait(browser, 60).until(lambda b: b.find_elements(By.CSS_SELECTOR, css))


def click(browser: webdriver.Chrome, css: str) -> None:
    """By script: the page draws its lists anew every few seconds."""
    browser.execute_script("document.querySelector(arguments[0]).click()", css)


def fill(browser: webdriver.Chrome, name: str, text: str) -> None:
    field = browser.find_element(By.ID, name)
    field.clear()
    field.send_keys(text)


def errors(browser: webdriver.Chrome) -> list[str]:
    """What the console has but for the refusals before the key was given."""
    told = [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    return [message for message in told if "401" not in message]


def test_a_person_draws_and_sees_the_ads_of_both_variants(
    browser: webdriver.Chrome, address: str
) -> None:
    open_studio(browser, address, 1280)
    fill(browser, "shopper", "ann")
    fill(browser, "seed", "7")
    fill(browser, "product-search", "running")
    wait(browser, "[data-product=running-shoes]")
    click(browser, "[data-product=running-shoes]")
    click(browser, "#draw")
    for variant in ("champion", "challenger"):
        wait(browser, f"[data-variant={variant}] img")
    facts = browser.find_element(By.CSS_SELECTOR, "[data-variant=challenger] .facts").text
    assert "version 2" in facts
    assert "seed 7" in facts
    assert "Nothing is known" in browser.find_element(By.ID, "why-text").text
    assert errors(browser) == []


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
    picked = browser.find_element(By.ID, "picked").text
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
    shutil.rmtree(settings.home / "catalogue")
    with serving(settings) as address:
        open_page(browser, address, 390)
        wait(browser, "#no-products")
        told = browser.find_element(By.ID, "no-products").text
        assert "adloom catalog import feed.csv" in told
        assert "sells nothing" in httpx.get(f"{address}/readyz").text
        catalogue = home.open_catalogue(settings)  # as another process has it
        catalog = CatalogSettings(language="de", columns=COLUMNS)
        import_feed(catalogue, str(HAUSHALT / "feed.csv"), catalog)
        catalogue.close()
        wait(browser, "[data-product='J-2001'] [lang=ja]")
        assert "sells nothing" not in httpx.get(f"{address}/readyz").text
        click(browser, "[data-product='J-2001']")
        assert "抹茶茶碗「雪」" in browser.find_element(By.ID, "picked").text
        loaded = "return [...document.images].every(i => !i.complete || i.naturalWidth > 0)"
        assert browser.execute_script(loaded)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390
        assert errors(browser) == []
        browser.get("about:blank")  # before nobody answers any more


def test_the_page_fits_a_phone(browser: webdriver.Chrome, address: str) -> None:
    open_studio(browser, address, 390)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    assert errors(browser) == []


def test_a_person_promotes_the_challenger(
    browser: webdriver.Chrome, address: str, settings: Settings
) -> None:
    open_studio(browser, address, 1280)
    click(browser, "[data-promote='2']")
    assert "version 2" in browser.find_element(By.ID, "confirm-text").text
    click(browser, "#confirm [value=yes]")
    told = browser.find_element(By.ID, "moved")
    WebDriverWait(browser, 30).until(lambda _: "Version 2 is champion" in told.text)
    assert home.open_registry(settings).champion().number == 2
    assert errors(browser) == []
