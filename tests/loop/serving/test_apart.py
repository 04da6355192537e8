"""Ads are drawn in a process of their own, and outlive it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from safetensors.numpy import save_file

from adloom.loop.serving.apart import watched
from adloom.loop.serving.apart.generator import GeneratorApart
from adloom.loop.serving.apart.watched import DrawingDied
from adloom.loop.serving.app import create_app
from adloom.loop.settings import Settings
from adloom.models.ad_generator import AdGenerator
from adloom.models.adapter_files import UnfitAdapter
from adloom.models.adapters import UnknownAdapter
from adloom.models.damaged_base import DamagedBase
from adloom.models.generates import Generates
from adloom.models.kept_tokens import KeptAd
from tests.forking import processes
from tests.loop_parts import adapter_folder, server_of, tiny_settings
from tests.tiny_model import brief, products

AD = {"user_id": "ann", "product_id": "running-shoes", "seed": 7}
_PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return tiny_settings(tmp_path_factory.mktemp("apart"), serve={"drawing": "apart"})


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def apart(client: TestClient) -> GeneratorApart:
    generator = server_of(client).maker.generator
    assert isinstance(generator, GeneratorApart)
    return generator


@pytest.fixture(scope="module")
def here(settings: Settings) -> AdGenerator:
    return AdGenerator.from_pretrained(settings.generator.path)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def restarts(client: TestClient) -> float:
    told = client.get("/metrics").text
    return float(told.split("\nadloom_drawing_restarts_total ")[1].split()[0])


def kept(maps: tuple[KeptAd, ...]) -> list[object]:
    return [(one.picture_scores.tolist(), one.words, one.words_kept.tolist()) for one in maps]


def test_it_draws_and_reads_as_a_generator_here_does(
    apart: GeneratorApart, here: AdGenerator, settings: Settings
) -> None:
    folder, told = adapter_folder(settings, "own"), brief(products()[0], 3)
    pictures = [product.cutout().convert("RGB") for product in products()]
    both: tuple[Generates, ...] = (apart, here)
    for generator in both:
        generator.load_adapter("own", folder)
    drafts = []
    for generator in both:
        for adapter in (None, "own"):
            drawing = generator.start(generator.told(told, adapter), seeds=[3, 4], adapter=adapter)
            # Queued already: it is drawn to its end whatever becomes of the adapter.
            if adapter is not None:
                generator.drop_adapter(adapter)
            if generator is here:
                generator.finish([drawing])
            drafts.append([generator.draft(one, told) for one in drawing.result(60)])
    for ours, theirs in zip(drafts[:2], drafts[2:], strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert (one.title, one.cut, one.steps) == (other.title, other.cut, other.steps)
            assert np.array_equal(one.codes, other.codes)
            assert one.background.tobytes() == other.background.tobytes()
    assert not np.array_equal(drafts[0][0].codes, drafts[1][0].codes)
    assert (apart.adapters, apart.base_name) == ((), here.base_name)
    assert apart.history_codebook_name == here.history_codebook_name
    assert np.array_equal(apart.code_vectors, here.code_vectors)
    assert np.array_equal(apart.encode_history(pictures), here.encode_history(pictures))
    assert apart.encode_history([]).shape == here.encode_history([]).shape
    codes = drafts[0][0].codes
    assert apart.picture_of(codes).tobytes() == here.picture_of(codes).tobytes()
    assert kept(apart.kept_tokens(told, None)) == kept(here.kept_tokens(told, None))


def test_what_is_wrong_there_is_raised_here(apart: GeneratorApart, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("no JSON")
    with pytest.raises(FileNotFoundError):
        apart.load_adapter("none", tmp_path)
    for name in ("adapter_model.safetensors", "conditioning.safetensors"):
        (tmp_path / name).write_bytes(b"\0" * 64)
    with pytest.raises(UnfitAdapter, match="is damaged"):
        apart.load_adapter("damaged", tmp_path)
    with pytest.raises(UnknownAdapter):
        apart.drop_adapter("never")
    with pytest.raises(UnknownAdapter):
        apart.start(brief(products()[0], 0), seeds=[0], adapter="never")


def test_its_threads_sleep_where_they_wait_for_one_another(apart: GeneratorApart) -> None:
    """They would take the core from the server, or from the one that they wait for."""
    given = Path(f"/proc/{apart.pids[0]}/environ").read_bytes().split(b"\0")
    [policy] = [one for one in given if one.startswith(b"OMP_WAIT_POLICY=")]
    assert policy == b"OMP_WAIT_POLICY=" + os.environ.get("OMP_WAIT_POLICY", "PASSIVE").encode()


def test_a_request_that_is_cancelled_is_drawn_no_further(apart: GeneratorApart) -> None:
    told = brief(products()[0], 2)
    dropped = apart.start(told, seeds=range(8))
    assert dropped.cancel()
    [drawn] = apart.start(told, seeds=[1]).result(60)
    assert drawn.picture is not None


def test_the_next_process_draws_again_what_was_under_way(
    client: TestClient, apart: GeneratorApart, settings: Settings
) -> None:
    folder, told = adapter_folder(settings, "stays"), brief(products()[1], 2)
    apart.load_adapter("stays", folder)
    [first] = apart.start(told, seeds=[5], adapter="stays").result(60)
    ad, pid, before = client.post("/v1/ads", json=AD).json(), apart.pids[0], restarts(client)
    os.kill(pid, signal.SIGSTOP)  # so that nothing is answered before it ends
    again = apart.start(told, seeds=[5], adapter="stays")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.post, "/v1/ads", json=AD)
        until(lambda: sum(one.asked for one in apart._processes) == 2)
        os.kill(pid, signal.SIGKILL)
        until(lambda: apart.problem is not None)
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
        assert "killed by SIGKILL" in ready.json()["problems"]["drawing"]
        answer = asked.result(_PATIENCE_SECONDS)
    assert answer.status_code == 200
    assert answer.json()["title"] == ad["title"]
    [second] = again.result(60)
    assert second.title == first.title
    assert np.array_equal(second.codes.numpy(), first.codes.numpy())
    assert (apart.adapters, apart.pids[0] != pid) == (("stays",), True)
    assert client.get("/readyz").status_code == 200
    assert restarts(client) == before + 1


def test_what_ended_it_again_is_given_up(
    client: TestClient, apart: GeneratorApart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "_MOST_TRIES", 1)
    [pid] = apart.pids
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.post, "/v1/ads", json=AD)
        drawn = apart.start(brief(products()[0], 0), seeds=[0])
        until(lambda: sum(one.asked for one in apart._processes) == 2)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(DrawingDied, match="killed by SIGKILL"):
            drawn.result(_PATIENCE_SECONDS)
        answer = asked.result(_PATIENCE_SECONDS)
    assert answer.status_code == 503
    assert "started again" in answer.json()["detail"]
    assert client.post("/v1/ads", json=AD).status_code == 200  # by the next one


def _hold_a_generator(folder: Path, told: Path) -> None:
    with GeneratorApart(folder, rows=1, threads=1) as generator:
        told.write_text(f"{generator.pids[0]} {generator.base_name}")
        signal.pause()


def test_it_ends_with_a_server_that_is_killed(settings: Settings, tmp_path: Path) -> None:
    told = tmp_path / "told"
    assert settings.generator.path is not None
    holder = processes.Process(target=_hold_a_generator, args=(settings.generator.path, told))
    holder.start()
    until(lambda: told.exists() and bool(told.read_text()))
    pid = int(told.read_text().split()[0])
    assert _runs(pid)
    holder.kill()
    holder.join()
    until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_base_that_cannot_be_loaded_is_told(settings: Settings, tmp_path: Path) -> None:
    assert settings.generator.path is not None
    folder = tmp_path / "base"
    shutil.copytree(settings.generator.path, folder)
    save_file({"other": np.zeros(1, np.float32)}, folder / "conditioning.safetensors")
    with (
        GeneratorApart(folder, rows=1, threads=1) as generator,
        pytest.raises(DamagedBase, match="cannot be loaded as an ad generator"),
    ):
        generator.base_name  # noqa: B018
