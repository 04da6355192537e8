"""Files for those who watch adloom: dashboards of Grafana, alert rules of Prometheus."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from adloom.loop.settings.private import as_the_user_shares

FILES = {
    "adloom-serve.json": ("adloom.loop.serving", "dashboard.json"),
    "adloom-stream.json": ("adloom.stream", "dashboard.json"),
    "adloom-alerts.yaml": ("adloom.loop.serving", "alerts.yaml"),
}
"""What is written, and the package and the file that it comes from."""


class FilesThere(RuntimeError):
    """Files would be written over that are not what they would become."""


def export(folder: Path, *, replace: bool = False) -> list[Path]:
    """Write the files into a folder, which is made; the paths that were written.

    Raises FilesThere where there are others of their names and ``replace`` is not set; OSError.
    """
    contents = {folder / name: read(name) for name in FILES}
    other = [path.name for path, text in contents.items() if path.exists() and _differs(path, text)]
    if other and not replace:
        raise FilesThere(
            f"{folder} has {', '.join(other)}, changed or of another version: "
            "--force writes over what is there"
        )
    with as_the_user_shares():
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in contents.items():
            path.write_text(text, encoding="utf-8")
    return list(contents)


def read(name: str) -> str:
    """One of the files. Raises KeyError for another name."""
    package, file = FILES[name]
    return files(package).joinpath(file).read_text(encoding="utf-8")


def _differs(path: Path, text: str) -> bool:
    return path.read_text(encoding="utf-8", errors="replace") != text
