"""The wheel holds all of adloom and nothing else, and runs from an engineer's own repository."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.checkout import CHECKOUT, FOLDERS, files_of_the_checkout
from tests.mlflow_serving import mlflow_serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_COMMAND_SECONDS = 300


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with its links, without what earlier builds left behind."""
    copy = tmp_path_factory.mktemp("source")
    for file in files_of_the_checkout():
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / file, copy / file, follow_symlinks=False)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("--wheel", source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel; what it depends on is lent to it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-compile"]
    run([*pip, "--no-index", "--no-deps", str(wheel)], folder)
    # A path in a .pth file is searched, but the .pth files in it are not read: the editable install
    # of the checkout, which is one of those, is out of reach.
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    lent = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    (packages / "lent.pth").write_text("\n".join(sorted(lent)) + "\n")
    for name in ("mlflow", "uvicorn"):  # `mlflow models serve` looks for the second on the PATH
        script = python.with_name(name)
        script.write_text(
            f"#!{python}\nfrom importlib.metadata import entry_points\n"
            f"script, *_ = entry_points(group='console_scripts', name='{name}')\nscript.load()()\n"
        )
        script.chmod(0o755)
    return python


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engineer's repository whose folders are named as adloom's, and no package of adloom."""
    folder = tmp_path_factory.mktemp("repository")
    for name in FOLDERS:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise ImportError('{name} of the engineer')\n")
    mug = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    ImageDraw.Draw(mug).rounded_rectangle((40, 20, 160, 190), radius=20, fill=(176, 82, 58, 255))
    mug.save(folder / "mug.png")
    (folder / "feed.csv").write_text(
        "id,title,image_link,availability,price,product_highlight\n"
        "mug,Coffee Mug,mug.png,in stock,9.00 EUR,hand made\n"
    )
    return folder


@pytest.fixture(scope="module")
def environment(python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a shell in that repository, with the fresh environment active."""
    home = tmp_path_factory.mktemp("home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ADLOOM_")}
    return kept | {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": ".",
        "ADLOOM_HOME": str(home),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
        "COLUMNS": "100",
    }


@pytest.fixture(scope="module")
def stocked(repository: Path, environment: dict[str, str]) -> dict[str, Any]:
    """What the import of the engineer's feed told; the catalogue is full afterwards."""
    told = run(["adloom", "catalog", "import", "feed.csv", "--json"], repository, environment)
    summary: dict[str, Any] = json.loads(told)
    return summary


@pytest.fixture(scope="module")
def versions(repository: Path, environment: dict[str, str]) -> list[dict[str, Any]]:
    """The versions of a registry that a round made, though it had no clicks to learn from."""
    run(["adloom", "train-round"], repository, environment, status=2)
    told = run(["adloom", "versions", "--json"], repository, environment)
    found: list[dict[str, Any]] = json.loads(told)
    return found


def built(kind: str, source: Path, to: Path) -> Path:
    """Builds a distribution with the tools that are installed: no network."""
    run([sys.executable, "-m", "build", kind, "--no-isolation", "-o", str(to), str(source)], to)
    [distribution] = to.iterdir()
    return distribution


def run(
    command: list[str],
    folder: Path,
    environment: dict[str, str] | None = None,
    *,
    status: int = 0,
) -> str:
    """Standard output of a command that must end with this status."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
    )
    assert ended.returncode == status, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_one_package_with_every_file_of_the_four_folders(wheel: Path) -> None:
    files = {file.as_posix() for file in files_of_the_checkout() if file.parts[0] in FOLDERS}
    held = contents(wheel)
    about = {name for name in held if name.split("/")[0].endswith(".dist-info")}
    assert held - about == {"adloom/__init__.py"} | {f"adloom/{file}" for file in files}
    assert {name.split("/", 1)[1] for name in about} >= {"licenses/LICENSE", "licenses/NOTICE"}


def test_a_wheel_from_the_source_distribution_is_the_same(
    source: Path, wheel: Path, tmp_path: Path
) -> None:
    packed = built("--sdist", source, tmp_path)
    shutil.unpack_archive(packed, tmp_path / "unpacked", filter="data")
    [unpacked] = (tmp_path / "unpacked").iterdir()
    (tmp_path / "again").mkdir()
    assert contents(built("--wheel", unpacked, tmp_path / "again")) == contents(wheel)


def test_adloom_is_found_in_the_environment_and_not_in_the_checkout(
    python: Path, repository: Path, environment: dict[str, str]
) -> None:
    told = run(
        ["python", "-c", "import adloom.models as m; print(m.__file__)"], repository, environment
    )
    assert Path(told.strip()).is_relative_to(python.parents[1])


def test_help_answers(repository: Path, environment: dict[str, str]) -> None:
    assert "versions" in run(["adloom", "--help"], repository, environment)


def test_a_feed_is_imported(stocked: dict[str, Any]) -> None:
    assert (stocked["new"], stocked["refused"]) == (1, 0)


def test_the_bundled_model_is_version_one(versions: list[dict[str, Any]]) -> None:
    assert [(version["version"], version["aliases"]) for version in versions] == [(1, ["champion"])]


@pytest.mark.usefixtures("versions", "stocked")
def test_mlflow_serves_a_version(repository: Path, environment: dict[str, str]) -> None:
    asked = {"user_id": "ann", "product_id": "mug", "seed": 7}
    model = "models:/adloom-ad-generator/1"
    with mlflow_serving(["mlflow"], model, repository, environment) as client:
        answer = client.post("/invocations", json={"dataframe_records": [asked]})
        [drawn] = answer.raise_for_status().json()["predictions"]
    assert "Coffee Mug" in drawn["title"]
    assert base64.b64decode(drawn["picture_png"]).startswith(b"\x89PNG")
