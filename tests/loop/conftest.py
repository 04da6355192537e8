"""What tests of the loop's pages share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium import webdriver


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A real Chromium, for the tests of a file; skips where there is none."""
    from tests.loop.serving.in_chromium import chromium  # selenium takes its time

    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running
