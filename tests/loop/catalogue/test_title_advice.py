"""What is told of a name hangs on what the titles of a base say of their product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adloom.loop import home
from adloom.loop.catalogue.product import Product
from adloom.loop.settings import load_settings
from adloom.models.config import AdGeneratorConfig
from adloom.models.titles.fit import TitleWants
from tests.tiny_model import tiny_model

LONG = Product(
    "p",
    "Cheap porcelain teapot of purple clay with a bamboo handle, for the whole family",
    selling_points=("fresh",),
    short_name="Teapot",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tiny_model().save_pretrained(folder)
    return folder


def advised(saved: Path, wants: TitleWants, product: Product, room: int) -> list[str]:
    config = AdGeneratorConfig.load(saved)
    config.model_copy(update={"title_wants": wants, "title_tokens": room}).save(saved)
    given: dict[str, Any] = {"generator": {"path": saved}, "titles": {"banned": ["cheap"]}}
    return list(home.title_advice(load_settings(home=saved, **given))(product))


def test_a_name_that_titles_need_not_say_is_no_matter(saved: Path) -> None:
    name = LONG.name.removeprefix("Cheap ")
    without = Product("p", name, selling_points=LONG.selling_points)
    [told] = advised(saved, "name", without, room=8)
    assert "give it a short_title" in told
    assert advised(saved, "words", without, room=8) == []
    [told] = advised(saved, "words", Product("p", name), room=8)  # it has no word
    assert "give it a short_title" in told


def test_a_banned_word_is_told_of_where_titles_say_it(saved: Path) -> None:
    [told] = advised(saved, "name", LONG, room=120)
    assert "has the banned word 'cheap', and so will its ads" in told
    assert advised(saved, "short_name", LONG, room=120) == []
    assert advised(saved, "words", LONG, room=120) == []
