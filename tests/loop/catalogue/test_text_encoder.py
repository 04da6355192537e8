"""Which products are alike is told by the text encoder of the settings, and by one at a time."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adloom.loop.catalogue.embedding import embed_anew
from adloom.loop.catalogue.intake.feed import import_feed
from adloom.loop.catalogue.opening import open_catalogue, open_neighbours
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.vectors import OtherTextEncoder
from adloom.loop.settings.catalogue import CatalogSettings
from adloom.models.text_encoder import NoTextEncoder, TextEncoder
from tests.text_model import WIDTH, text_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return str(text_model(folder / "one", 1)), str(text_model(folder / "two", 2))


@pytest.fixture
def feed(tmp_path: Path) -> str:
    file = tmp_path / "feed.jsonl"
    Image.new("RGBA", (80, 80), "navy").crop((-9, -9, 90, 90)).save(tmp_path / "cut.png")
    rows = (
        f'{{"id": "{name}", "title": "{name}", "price": "1 EUR", "image_link": "cut.png"}}\n'
        for name in ("red mug", "blue mug", "garden chair")
    )
    file.write_text("".join(rows))
    return str(file)


def imported(folder: Path, feed: str, model: str | None) -> Catalogue:
    catalogue = open_catalogue(folder, model)
    report = import_feed(catalogue, feed, CatalogSettings())
    assert report.new == 3, report.notes
    return catalogue


def vector(catalogue: Catalogue, product: str) -> np.ndarray:
    return catalogue.vectors.placed([product])[product].vector


def test_vectors_are_made_by_the_encoder_that_is_set(
    tmp_path: Path, feed: str, models: tuple[str, str]
) -> None:
    catalogue = imported(tmp_path / "home", feed, models[0])
    [mug, shelf] = TextEncoder(models[0]).embed(["red mug", ""])
    both = np.concatenate([mug, shelf]) * 0.5**0.5
    assert vector(catalogue, "red mug").shape == (2 * WIDTH,)
    np.testing.assert_allclose(vector(catalogue, "red mug"), both, atol=2e-3)
    found = open_neighbours(tmp_path / "home", catalogue).like("red mug", 3)
    assert found[0].product_id == "red mug"


def test_vectors_of_another_encoder_are_refused_in_a_line(
    tmp_path: Path, feed: str, models: tuple[str, str]
) -> None:
    imported(tmp_path / "home", feed, models[0])
    for model in (models[1], None):
        other = open_catalogue(tmp_path / "home", model)
        with pytest.raises(OtherTextEncoder, match="adloom catalog embed"):
            import_feed(other, feed, CatalogSettings())
        with pytest.raises(OtherTextEncoder, match="adloom catalog embed"):
            open_neighbours(tmp_path / "home", other).near("red mug")
        with pytest.raises(OtherTextEncoder, match="adloom catalog embed"):
            vector(other, "red mug")
    moved = shutil.copytree(models[0], tmp_path / "elsewhere" / "one")
    assert len(vector(open_catalogue(tmp_path / "home", str(moved)), "red mug")) == 2 * WIDTH


def test_embedding_anew_goes_on_where_it_stood_and_lets_nobody_compare_meanwhile(
    tmp_path: Path, feed: str, models: tuple[str, str]
) -> None:
    catalogue = imported(tmp_path / "home", feed, None)
    neighbours = open_neighbours(tmp_path / "home", catalogue)
    assert len(neighbours.near("red mug")) == 2
    other = open_catalogue(tmp_path / "home", models[0])

    def interrupted(products: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_anew(other, interrupted)
    for either in (catalogue, other):
        with pytest.raises(OtherTextEncoder, match="being made anew"):
            vector(either, "red mug")
    assert embed_anew(other, lambda products: None) == 0  # they were made before
    assert len(vector(other, "red mug")) == 2 * WIDTH
    assert len(open_neighbours(tmp_path / "home", other).near("red mug")) == 2
    with pytest.raises(OtherTextEncoder):
        neighbours.near("red mug")
    assert embed_anew(catalogue, lambda products: None) == 3
    assert len(neighbours.near("red mug")) == 2


def test_an_encoder_that_is_not_there_is_told_and_changes_nothing(
    tmp_path: Path, feed: str
) -> None:
    catalogue = imported(tmp_path / "home", feed, None)
    wrong = open_catalogue(tmp_path / "home", str(tmp_path))
    with pytest.raises(NoTextEncoder, match=r"modules\.json is missing"):
        embed_anew(wrong, lambda products: None)
    assert len(vector(catalogue, "red mug")) == 768
