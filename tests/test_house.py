"""How the checkout is laid out; the imports are held by the contracts of import-linter."""

from __future__ import annotations

from pathlib import Path

from tests.checkout import CHECKOUT, FOLDERS, files_of_the_checkout

_MOST_LINES = 300
_TOP_LEVEL = {*FOLDERS, "tests", "pyproject.toml", "README.md", "LICENSE", "NOTICE"}


def test_no_module_is_too_long_to_be_read_at_once() -> None:
    lengths = {
        file.as_posix(): len((CHECKOUT / file).read_text().splitlines())
        for file in files_of_the_checkout()
        if file.parts[0] in FOLDERS and file.suffix == ".py"
    }
    long = [f"{file}: {n} lines" for file, n in lengths.items() if n > _MOST_LINES]
    assert not long, f"over {_MOST_LINES} lines: {', '.join(long)}"


def test_the_top_level_has_its_folders_and_nothing_else() -> None:
    names = {file.parts[0] for file in files_of_the_checkout()}
    assert {name for name in names if not name.startswith(".")} == _TOP_LEVEL


def test_each_folder_of_the_package_is_a_relative_link() -> None:
    links = {path.name: path.readlink().as_posix() for path in _links()}
    assert links == {name: f"../../{name}" for name in FOLDERS}


def _links() -> list[Path]:
    return [path for path in (CHECKOUT / ".package" / "adloom").iterdir() if path.is_symlink()]
