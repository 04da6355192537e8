"""A person uses the studio, in a real Chromium."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from adloom.loop import home
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from tests.loop_parts import register_adapter, tiny_settings

pytestmark = pytest.mark.slow
KEY = "a-key-of-sixteen-or-more"
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
    settings = tiny_settings(
        tmp_path_factory.mktemp("studio"), serve={"follow_seconds": 0.2, "api_keys": [KEY]}
    )
    registry = home.open_registry(settings)
    registry.set_challenger(register_adapter(settings, registry, "fresh"))
    return settings


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
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


def open_studio(browser: webdriver.Chrome, address: str, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.get(address)
    wait(browser, "[data-product]")
    wait(browser, "#key-row:not([hidden])")
    fill(browser, "key", KEY + Keys.TAB)
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
    click(browser, "[data-product=running-shoes]")
    click(browser, "#draw")
    for variant in ("champion", "challenger"):
        wait(browser, f"[data-variant={variant}] img")
    facts = browser.find_element(By.CSS_SELECTOR, "[data-variant=challenger] .facts").text
    assert "version 2" in facts
    assert "seed 7" in facts
    assert "Nothing is known" in browser.find_element(By.ID, "why-text").text
    assert errors(browser) == []


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
