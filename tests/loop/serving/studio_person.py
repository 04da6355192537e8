"""A person who opens the studio with a key."""

from __future__ import annotations

from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from tests.loop.serving.in_chromium import fill, open_page, wait
from tests.loop.serving.studio_parts import KEY

WIDTH = "return document.documentElement.scrollWidth"


def open_studio(browser: webdriver.Chrome, address: str, width: int, key: str = KEY) -> None:
    open_page(browser, address, width)
    give_key(browser, key)


def give_key(browser: webdriver.Chrome, key: str = KEY) -> None:
    wait(browser, "#key-row:not([hidden])")
    fill(browser, "key", key + Keys.TAB)
    wait(browser, "[data-product]")
    wait(browser, "[data-promote], #rollback")
