"""A registered version draws from what was noted with it, as old as that may be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from adloom.loop.learning.pyfunc_model import RegisteredAdGenerator, _example_cutout
from tests.loop_parts import tiny_settings


def titles(folder: Path, **noted: Any) -> list[str]:
    """Titles of a few ads by a version with such a note."""
    note = folder / "adloom.json"
    base = tiny_settings(folder).generator.path
    note.write_text(json.dumps({"base": str(base), **noted}))
    context: Any = SimpleNamespace(artifacts={"settings": str(note)})
    version = RegisteredAdGenerator()
    version.load_context(context)
    seeds = range(6)
    asked = pd.DataFrame(
        {
            "user_id": ["ann"] * len(seeds),
            "seed": list(seeds),
            "product_name": ["Mug"] * len(seeds),
            "selling_points": [["hand made"]] * len(seeds),
            "cutout": [_example_cutout()] * len(seeds),
        }
    )
    return list(version.predict(context, asked)["title"])


def said_beside(title: str) -> str:
    """What a title says beside the product's name and selling point."""
    return title.lower().replace("mug", "").replace("hand made", "").strip(" ,.:!")


def test_titles_are_kept_to_the_product(tmp_path: Path) -> None:
    found = titles(tmp_path, sampling={"title_temperature": 1.5}, constrain_titles=True)
    assert not any(map(said_beside, found))
    assert all("Mug" in title for title in found)


def test_versions_of_before_have_their_words_of_style(tmp_path: Path) -> None:
    found = titles(tmp_path, sampling={"style_words": ["fun", "ever"], "title_temperature": 2})
    said = {word for title in found for word in re.findall(r"\w+", said_beside(title))}
    assert said <= {"fun", "ever"}
    assert all("Mug" in title for title in found)


@pytest.mark.parametrize("sampling", [{"style_words": None}, {}])
def test_versions_of_before_may_be_without_limits(tmp_path: Path, sampling: dict[str, Any]) -> None:
    assert any(map(said_beside, titles(tmp_path, sampling=sampling)))
