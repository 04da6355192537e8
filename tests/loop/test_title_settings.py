"""`[titles]` has a table a language; what fits nowhere is told by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from adloom.loop.settings import SettingsError, load_settings
from adloom.loop.settings.titles import TitleSettings


def read(folder: Path, text: str) -> TitleSettings:
    """The settings of a file."""
    file = folder / "adloom.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file).titles


def test_each_language_has_a_table(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        [titles]
        banned = ["Gratis"]
        [titles.de]
        words = ["endlich", " neu "]
        [titles.pt-BR]
        saving = ["queima"]
        """,
    )
    assert found.banned == ("Gratis",)
    assert [part.words for part in found.of("de-CH")] == [("endlich", "neu")]
    assert [part.saving for part in found.of("pt-br")] == [("queima",)]
    assert list(found.of("pt")) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[titles]\nbannd = ["x"]', "titles: .*bannd: no such setting, and not a language tag"),
        ('[titles]\nde = ["x"]', r"titles: .*de: a language is a table of its own"),
        ('[titles.de]\nword = ["x"]', "titles.de.word: no such setting"),
        ("[titles.de]\nwords = [1]", "titles.de.words.0: "),
        ('[titles.de]\nwords = [" "]', "titles.de.words.0: "),
        ('[titles.de]\nwords = "neu"', "titles.de.words: "),
        ('[titles.toolong]\nwords = ["x"]', "toolong"),
    ],
)
def test_what_fits_nowhere_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        read(tmp_path, text)


def test_the_environment_has_languages_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADLOOM_TITLES__DE__WORDS", '["gut"]')
    assert [part.words for part in load_settings().titles.of("de")] == [("gut",)]
