"""A real Chromium, and an application that serves it."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings

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


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser of its own; skips the test where there is none."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = binary
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


def wait(browser: webdriver.Chrome, css: str) -> None:
    WebDriverWait(browser, 60).until(lambda b: b.find_elements(By.CSS_SELECTOR, css))


def texts(browser: webdriver.Chrome, css: str) -> list[str]:
    """What is to be read in each element; all of one moment, as the page draws itself anew."""
    script = "return [...document.querySelectorAll(arguments[0])].map((found) => found.innerText)"
    read: list[str] = browser.execute_script(script, css)
    return read


def text(browser: webdriver.Chrome, css: str) -> str:
    """What is to be read in the first of the elements."""
    return texts(browser, css)[0]


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
