"""An object store that is away: told in words and in time, and what waits is not lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adloom.loop.catalogue.opening import open_pictures
from adloom.loop.catalogue.picture_files import object_store
from adloom.loop.catalogue.picture_files.files import PicturesAway
from adloom.loop.catalogue.pictures.store import PictureStore, UnknownPicture
from adloom.loop.settings.pictures import PicturesSettings
from tests.loop.catalogue.test_picture_store import noise
from tests.s3_server import S3Server, running_s3
from tests.tcp_gate import State, TcpGate


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        yield server


@pytest.fixture
def gate(s3: S3Server) -> Iterator[TcpGate]:
    gate = TcpGate(s3.port)
    yield gate
    gate.close()


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_LOOK_SECONDS", 0.05)


def give(store: PictureStore, seconds: float) -> None:
    """How long its object store has to answer."""
    assert store.files.store is not None
    store.files.store._seconds = seconds


STATES: list[State] = ["refuse", "drop", "hang", "cut", "fail", "trickle"]


@pytest.mark.parametrize("state", STATES)
def test_a_store_that_is_away_is_told_in_a_line_and_used_again_once_it_is_back(
    tmp_path: Path, s3: S3Server, gate: TcpGate, state: State
) -> None:
    store = open_pictures(tmp_path, s3.new_place(gate.port))
    name = store.put(noise(32))
    other = open_pictures(tmp_path, store_settings(store, gate))
    other.put(noise(30))
    gate.set(state)
    give(other, 0.5)
    for asked in (lambda: other.file(name), lambda: other.put(noise(33)), lambda: other.has(name)):
        with pytest.raises(PicturesAway, match=r"s3://shop.*cannot be reached.*pictures\.url") as e:
            asked()
        assert "\n" not in str(e.value)
    assert other.files.problem is not None
    assert store.load(name).size == (32, 32)  # it was seen here: nothing has to be read
    gate.set("open")
    give(other, 10.0)
    assert other.file(name).content == store.file(name).content
    assert other.files.problem is None


def store_settings(store: PictureStore, gate: TcpGate) -> PicturesSettings:
    assert store.files.store is not None
    where = store.files.store._where
    endpoint = f"http://127.0.0.1:{gate.port}"
    return PicturesSettings.model_validate({"url": where, "endpoint_url": endpoint})


@pytest.mark.usefixtures("quick")
def test_while_a_thread_watches_nobody_else_waits_for_a_store_that_is_away(
    tmp_path: Path, s3: S3Server, gate: TcpGate
) -> None:
    place = s3.new_place(gate.port)
    name = open_pictures(tmp_path / "other", place).put(noise(31))
    store, stop = open_pictures(tmp_path, place, keep_waiting=True), threading.Event()
    thread = threading.Thread(target=store.files.watch, args=(stop,))
    thread.start()
    try:
        give(store, 0.5)
        gate.set("hang")
        until(lambda: store.files.problem is not None)
        asked: list[object] = []
        files = store.files.store
        assert files is not None
        sent, files._fs._cat_file = files._fs._cat_file, lambda *a, **k: asked.append(a)
        for _ in range(50):
            with pytest.raises(PicturesAway):
                store.file(name)
        assert not asked
        files._fs._cat_file = sent

        # What is drawn meanwhile is shown here, counted, and sent once the store is back.
        waits = store.put(noise(40))
        assert store.load(waits).tobytes() == noise(40).tobytes()
        assert store.has(waits)
        assert "1 pictures wait here" in str(store.files.problem)
        assert not any(waits in found for found in s3.objects(place))
        give(store, 10.0)
        gate.set("open")
        until(lambda: any(waits in found for found in s3.objects(place)))
        until(lambda: store.files.waiting is not None and store.files.waiting.count == 0)
        assert store.file(name).kind == "webp"
        assert not list((tmp_path / "pictures-waiting").rglob("*.webp"))
    finally:
        stop.set()
        thread.join()


def test_what_waited_when_a_server_was_killed_is_sent_by_the_next_one(
    tmp_path: Path, s3: S3Server, gate: TcpGate
) -> None:
    place = s3.new_place(gate.port)
    gate.set("refuse")
    waits = open_pictures(tmp_path, place, keep_waiting=True).put(noise(41))
    store = open_pictures(tmp_path, place, keep_waiting=True)
    assert store.load(waits).size == (41, 41)
    gate.set("open")
    assert store.files.waiting is not None
    store.files.waiting.send()
    assert [found.rpartition("/")[2] for found in s3.objects(place)] == [f"{waits}.webp"]


def test_a_bucket_that_is_not_there_is_told(tmp_path: Path, s3: S3Server) -> None:
    told = {"url": "s3://nobody/made/this", "endpoint_url": s3.url}
    store = open_pictures(tmp_path, PicturesSettings.model_validate(told))
    with pytest.raises(PicturesAway, match="bucket"):
        store.put(noise(32))
    assert store.files.store is not None
    store.files.store.look()
    assert "there is no bucket nobody" in str(store.files.problem)


def test_what_another_machine_removed_goes_from_memory_too(tmp_path: Path, s3: S3Server) -> None:
    place = s3.new_place()
    one, other = (open_pictures(tmp_path / name, place) for name in ("one", "other"))
    name = one.put(noise(3))
    other.load(name)
    one.remove(name)
    other.let_go()
    with pytest.raises(UnknownPicture):
        other.load(name)
