"""A person reviews ads in the studio's gallery, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from adloom.loop import home
from adloom.loop.catalogue.creatives.reviewing import judge, reviews_of
from adloom.loop.settings import Settings
from tests.loop.serving.in_chromium import (
    chromium,
    click,
    errors,
    fill,
    open_page,
    serving,
    text,
    texts,
    wait,
)
from tests.loop.serving.studio_parts import KEY
from tests.loop_parts import keep_shop_ads, tiny_settings

pytestmark = pytest.mark.slow
WAITS = "[data-state=draft]"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = tiny_settings(tmp_path_factory.mktemp("gallery"), serve={"api_keys": [KEY]})
    creatives = home.open_creatives(made)
    ads = keep_shop_ads(creatives, 8)
    why = "the product is hardly seen: 3% of it differs from the ground, 15% has to"
    judge(creatives.engine, [ad.ad_id for ad in ads[:3]], "draft", why=why, by="inspection")
    creatives.close()
    return made


@pytest.fixture(scope="module")
def browser(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[webdriver.Chrome]:
    with (
        serving(settings) as address,
        chromium(tmp_path_factory.mktemp("profile")) as running,
    ):
        open_page(running, address, 1280)
        wait(running, "#key-row:not([hidden])")
        fill(running, "key", KEY + Keys.TAB)
        wait(running, "[data-ad]")
        fill(running, "reviewer", "Ann" + Keys.TAB)
        yield running
        running.get("about:blank")  # before nobody answers any more


def count(browser: webdriver.Chrome, css: str) -> int:
    return len(browser.find_elements(By.CSS_SELECTOR, css))


def until(browser: webdriver.Chrome, css: str, many: int) -> None:
    WebDriverWait(browser, 30).until(lambda b: count(b, css) == many)


def choose_state(browser: webdriver.Chrome, state: str) -> None:
    script = (
        "const field = document.getElementById('gallery-state'); field.value = arguments[0];"
        "field.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(script, state)


def test_that_a_key_is_missing_is_told_no_longer_once_it_is_there(
    browser: webdriver.Chrome,
) -> None:
    wait(browser, "#versions .version")
    WebDriverWait(browser, 30).until(lambda b: text(b, "#moved") == "")


def test_a_person_looks_through_what_waits_and_decides(
    browser: webdriver.Chrome, settings: Settings
) -> None:
    assert count(browser, "[data-ad]") == 8
    choose_state(browser, "draft")
    until(browser, "[data-ad]", 3)
    assert all("hardly seen" in told for told in texts(browser, "[data-ad] .why"))
    first, second, _ = (
        one.get_attribute("data-ad") for one in browser.find_elements(By.CSS_SELECTOR, "[data-ad]")
    )
    click(browser, f"[data-ad='{first}'] .open")
    assert "Automatic inspection" in text(browser, "#review-history")
    click(browser, "#review-ban")
    assert "Say why" in text(browser, "#review-told")
    fill(browser, "review-why", "Not in the style of the brand")
    click(browser, "#review-ban")
    wait(browser, f"[data-ad='{first}'][data-state=banned]")
    browser.find_element(By.CSS_SELECTOR, f"[data-ad='{first}'] .open").send_keys(Keys.ARROW_RIGHT)
    browser.switch_to.active_element.send_keys("a")
    wait(browser, f"[data-ad='{second}'][data-state=approved]")
    creatives = home.open_creatives(settings)
    told = reviews_of(creatives.engine, [str(first), str(second)])
    creatives.close()
    assert (told[str(first)][-1].state, told[str(second)][-1].state) == ("banned", "approved")
    assert told[str(first)][-1].by.startswith("Ann (key ")
    choose_state(browser, "")
    until(browser, "[data-ad]", 8)
    assert errors(browser) == []


def test_a_person_bans_a_word_and_allows_it_again(browser: webdriver.Chrome) -> None:
    click(browser, "#words summary")
    WebDriverWait(browser, 30).until(lambda b: texts(b, "#word-list li") == ["None."])
    fill(browser, "word", "billig")
    fill(browser, "word-language", "de" + Keys.ENTER)
    wait(browser, "#word-list li button")
    assert "banned" in text(browser, "#word-told")
    assert "Ann" in text(browser, "#word-history")
    click(browser, "#word-list li button")
    WebDriverWait(browser, 30).until(lambda b: texts(b, "#word-list li") == ["None."])
    click(browser, "#words summary")
    assert errors(browser) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_gallery_and_dialog_fit(browser: webdriver.Chrome, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    click(browser, f"{WAITS} .open")
    script = "const box = document.getElementById('review').getBoundingClientRect();"
    box = browser.execute_script(script + "return [box.left, box.right]")
    assert box[0] >= 0
    assert box[1] <= width
    click(browser, "#review-close")
    heights = "return [...document.querySelectorAll('#gallery button')].map(b => b.offsetHeight)"
    assert all(height >= 34 for height in browser.execute_script(heights) if height)
    assert errors(browser) == []
