"""What a round leaves is small, however many there were."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import torch

from adloom.loop import home
from adloom.loop.learning.emptied import is_emptied
from adloom.loop.learning.rounds.kept import RoundHead, abandon, round_folder, write
from adloom.loop.learning.rounds.tidying import clear_rounds
from adloom.loop.learning.rounds.train import train_round
from adloom.models.training.checkpoint import save_state
from tests.loop.learning.clicked_home import click
from tests.loop_parts import keep_shop_ads, tiny_settings, training_ground

ROUNDS, KEPT = 5, 2


def size(folder: Path, files: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.rglob(files) if path.is_file())


def test_a_home_grows_by_the_same_little_with_each_round(tmp_path: Path) -> None:
    settings = tiny_settings(tmp_path, mlflow={"keep": KEPT})
    with closing(home.open_creatives(settings)) as creatives:
        keep_shop_ads(creatives, 6)
    weights, homes = list[int](), list[int]()
    with home.open_features(settings) as features:
        ground = training_ground(settings, features)
        for number in range(ROUNDS):
            click(settings, [f"{name}-{number}" for name in "abcd"], timedelta(seconds=1))
            train_round(ground, force=True)
            weights.append(size(settings.home / "mlflow", "*.safetensors"))
            homes.append(size(settings.home))
        ground.past_ads.creatives.close()
    for number in range(1, ROUNDS + 1):
        left = {path.name for path in round_folder(ground.folder, number).iterdir()}
        assert left == {"plan.json", "outcome.json"}
    assert ground.registry.champion().is_base
    full = [v for v in ground.registry.versions() if not (v.is_base or is_emptied(v))]
    named = [v for v in full if v.aliases]
    assert {v.number for v in full} == {ROUNDS, ROUNDS + 1} | {v.number for v in named}
    one = weights[0]
    assert weights[-1] <= (KEPT + len(named)) * 2 * one  # in the registry, and perhaps fetched
    assert weights[-1] <= weights[2]
    assert homes[-1] - homes[-2] < one / 10


def test_what_is_left_of_rounds_that_are_over_goes_and_no_other(tmp_path: Path) -> None:
    until = datetime(2026, 1, 1, tzinfo=UTC)
    for number in (1, 2):
        kept = round_folder(tmp_path, number)
        (kept / "best").mkdir(parents=True)
        for name in ("state.safetensors", "losses.json", ".tmpAbC123", "best/adapter.safetensors"):
            (kept / name).write_bytes(b"large")
        write(kept / "plan.json", RoundHead(number=number, run_id="r", parent=1, until=until))
    abandon(round_folder(tmp_path, 1), "by hand")
    clear_rounds(tmp_path)
    assert {path.name for path in (tmp_path / "round-0001").iterdir()} == {
        "plan.json",
        "abandoned.json",
    }
    assert len(list((tmp_path / "round-0002").iterdir())) == 5


def test_what_a_killed_process_was_writing_goes_with_the_next_checkpoint(tmp_path: Path) -> None:
    cut_off, own = tmp_path / ".tmpAbC123", tmp_path / ".tmp-notes"
    for path in (cut_off, own):
        path.write_bytes(b"half")
    save_state(tmp_path / "state.safetensors", {"w": torch.zeros(2)}, [], 1)
    assert not cut_off.exists()
    assert own.exists()
    assert (tmp_path / "state.safetensors").exists()
