"""How the checkout is laid out; the imports are held by the contracts of import-linter."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.checkout import CHECKOUT, FOLDERS, files_of_the_checkout

_MOST_LINES = 300
_PACKAGE = CHECKOUT / ".package" / "adloom"
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
    links = {
        path.name: path.readlink().as_posix() for path in _PACKAGE.iterdir() if path.is_symlink()
    }
    assert links == {name: f"../../{name}" for name in FOLDERS}


def test_a_copy_that_lost_the_links_says_so(tmp_path: Path) -> None:
    """As git leaves them where there are no links: files that hold where they would lead."""
    (tmp_path / "adloom").mkdir()
    shutil.copy(_PACKAGE / "__init__.py", tmp_path / "adloom")
    for name in FOLDERS:
        (tmp_path / "adloom" / name).write_text(f"../../{name}")
    tried = subprocess.run(
        [sys.executable, "-c", "import adloom"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "lost the links in .package; clone it with git" in tried.stderr
