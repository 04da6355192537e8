"""Several processes open the databases of a new home at the same moment."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from adloom.feature_store.definitions import online_views
from adloom.feature_store.sqlite_file import create_tables
from adloom.loop.database.opening import open_database


def open_shop(folder: Path) -> None:
    open_database(folder).dispose()


def open_features(folder: Path) -> None:
    create_tables(folder / "online.db", "adloom", online_views)


OPENED = [
    pytest.param(open_shop, "adloom.db", id="shop"),
    pytest.param(open_features, "online.db", id="features"),
]


@pytest.mark.parametrize(("opened", "name"), OPENED)
def test_a_new_file_that_another_process_writes_is_waited_for(
    opened: Callable[[Path], None], name: str, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / name, isolation_level=None)) as other:
        other.execute("CREATE TABLE other (n)")
        other.execute("BEGIN IMMEDIATE")
        failures: list[BaseException] = []

        def run() -> None:
            try:
                opened(tmp_path)
            except BaseException as error:
                failures.append(error)

        opening = threading.Thread(target=run)
        opening.start()
        opening.join(0.3)  # nothing hangs on its being long enough
        other.execute("COMMIT")
        opening.join()
    assert failures == []


@pytest.mark.parametrize(("opened", "name"), OPENED)
def test_many_open_a_new_folder_at_once(
    opened: Callable[[Path], None], name: str, tmp_path: Path
) -> None:
    failures: list[BaseException] = []
    for turn in range(15):
        folder = tmp_path / str(turn)
        folder.mkdir()
        together = threading.Barrier(4)

        def run(folder: Path = folder, together: threading.Barrier = together) -> None:
            together.wait()
            try:
                opened(folder)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run) for _ in range(together.parties)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (folder / name).stat().st_size > 0
    assert failures == []
