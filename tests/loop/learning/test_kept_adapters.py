"""Adapters on this machine: whole or fetched again, and never another version's."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adloom.loop.learning.kept_adapters import KeptAdapters, UnfitVersion, key_of
from adloom.loop.learning.registry import Version

MADE = datetime(2026, 1, 2, tzinfo=UTC)
VERSION = Version(3, "run-a", MADE, {}, ())
FILES = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"}


class Source:
    """Where adapters are fetched from; counts how often."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.fetched = 0

    def __call__(self, folder: Path) -> Path:
        self.fetched += 1
        (folder / "adapter").mkdir()
        for name, content in self.files.items():
            (folder / "adapter" / name).write_bytes(content)
        return folder / "adapter"


def read(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_it_is_fetched_once_and_what_could_run_is_not_kept(tmp_path: Path) -> None:
    source = Source(FILES | {"adapter_model.bin": b"pickle", "setup.py": b"print()"})
    for _ in range(2):
        folder = KeptAdapters(tmp_path).get(VERSION, source)
        assert read(folder) == FILES
        assert not {"adapter_model.bin", "setup.py"} & {path.name for path in folder.iterdir()}
    assert source.fetched == 1
    assert KeptAdapters(tmp_path).kept(VERSION) == folder


def cut(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"wei")


def change(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"Weights")


def lose(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def add(folder: Path) -> None:
    (folder / "trends.safetensors").write_bytes(b"of another")


def lose_hashes(folder: Path) -> None:
    (folder / "sha256").unlink()


def spoil_hashes(folder: Path) -> None:
    (folder / "sha256").write_bytes(b"\xff[1]")


@pytest.mark.parametrize("damage", [cut, change, lose, add, lose_hashes, spoil_hashes])
def test_what_was_damaged_is_fetched_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    source, adapters = Source(FILES), KeptAdapters(tmp_path)
    folder = adapters.get(VERSION, source)
    damage(folder)
    assert adapters.kept(VERSION) is None
    assert read(adapters.get(VERSION, source)) == FILES
    assert source.fetched == 2
    assert not (folder / "trends.safetensors").exists()


def test_a_fetch_that_failed_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    def failing(folder: Path) -> Path:
        (folder / "adapter_config.json").write_bytes(b"{")
        raise ConnectionError

    adapters = KeptAdapters(tmp_path)
    with pytest.raises(ConnectionError):
        adapters.get(VERSION, failing)
    assert adapters.kept(VERSION) is None
    assert read(adapters.get(VERSION, Source(FILES))) == FILES
    assert {p.suffix for p in tmp_path.iterdir() if p.name != key_of(VERSION)} == {".lock"}


def test_what_holds_no_adapter_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnfitVersion, match="version 3 holds no adapter"):
        KeptAdapters(tmp_path).get(VERSION, Source({"model.pkl": b""}))


@pytest.mark.parametrize(
    "other",
    [
        replace(VERSION, run_id="run-b"),
        replace(VERSION, number=4),
        replace(VERSION, run_id=""),
        replace(VERSION, created=MADE.replace(microsecond=1000)),
        replace(VERSION, run_id="../../elsewhere"),
    ],
)
def test_the_same_number_of_another_registry_is_another_version(
    tmp_path: Path, other: Version
) -> None:
    adapters = KeptAdapters(tmp_path / "adapters")
    adapters.get(VERSION, Source(FILES))
    found = adapters.get(other, Source(FILES | {"adapter_model.safetensors": b"other"}))
    assert (found / "adapter_model.safetensors").read_bytes() == b"other"
    assert found.parent == tmp_path / "adapters"


def _slow_fetch(folder: Path) -> Path:
    (folder.parent / f"fetched-{os.getpid()}").touch()
    time.sleep(0.3)
    return Source(FILES)(folder)


def _get(folder: Path) -> None:
    assert read(KeptAdapters(folder).get(VERSION, _slow_fetch)) == FILES


def test_of_two_processes_one_fetches(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_get, args=(tmp_path,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [one.exitcode for one in both] == [0, 0]
    assert len(list(tmp_path.glob("fetched-*"))) == 1
