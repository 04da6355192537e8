"""What adloom keeps is for its own user alone; what he asked for is as he shares."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from adloom.loop import home
from adloom.loop.serving.app import create_app
from adloom.loop.settings import private
from adloom.loop.settings.private import as_the_user_shares, keep_private, tighten
from tests.loop_parts import keep_shop_ads, register_adapter, tiny_settings

AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7, "inline_picture": True}


@pytest.fixture
def _shared_by_default(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(private, "_shared", None)
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_to_others(folder: Path) -> list[str]:
    """Every file and folder below that anyone else may read, write or enter."""
    found = [folder, *folder.rglob("*")]
    return [
        f"{path.relative_to(folder)} {mode(path):o}"
        for path in found
        if mode(path) & 0o077 and not path.is_symlink()
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("_shared_by_default")
def test_a_home_is_private_after_a_small_loop(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    settings = tiny_settings(folder)  # its products were imported by another process
    tighten(settings.home)
    keep_private()
    creatives = home.open_creatives(settings)
    [ad] = keep_shop_ads(creatives, 1)
    creatives.close()
    with TestClient(create_app(settings)) as client:
        click = {"event_id": "c", "ts": datetime.now(UTC).isoformat(), "user_id": "ann"}
        click |= {"item_id": ad.product_id, "ad_id": ad.ad_id}
        assert client.post("/v1/events", json={"clicks": [click]}).status_code == 202
        assert client.post("/v1/ads", json=AD).status_code == 200
        register_adapter(settings, home.registry_with_base(settings), "mine")
        assert open_to_others(settings.home) == []  # -wal, -shm and locks among them
    with home.open_features(settings) as features:
        features.history_at([("ann", datetime.now(UTC))])
        list(features.rebuild(features.log.batches()))
    assert len(list(settings.home.rglob("*"))) > 40
    assert open_to_others(settings.home) == []


@pytest.mark.usefixtures("_shared_by_default")
def test_a_home_that_others_could_read_is_taken_from_them_and_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "online.db").write_text("rows")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not of the home")
    (folder / "link").symlink_to(elsewhere)
    told = tighten(folder)
    assert told is not None
    assert str(folder) in told
    assert open_to_others(folder) == []
    assert mode(elsewhere) == 0o644
    assert tighten(folder) is None
    assert tighten(tmp_path / "none") is None


@pytest.mark.usefixtures("_shared_by_default")
def test_what_is_written_for_the_user_has_his_own_mask(tmp_path: Path) -> None:
    with as_the_user_shares():
        (tmp_path / "before").write_text("")
    keep_private()
    keep_private()  # again is the same
    (tmp_path / "kept").write_text("")
    with as_the_user_shares():
        (tmp_path / "report").write_text("")
    (tmp_path / "kept too").write_text("")
    modes = {path.name: mode(path) for path in tmp_path.iterdir()}
    assert modes == {"before": 0o644, "kept": 0o600, "report": 0o644, "kept too": 0o600}
    with tempfile.NamedTemporaryFile(dir=tmp_path) as spool:
        assert mode(Path(spool.name)) == 0o600
