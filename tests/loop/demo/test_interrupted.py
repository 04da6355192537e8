"""A demo that was cut off goes on where it stood; what lies in its folder is not overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from adloom.loop.commands.app import app
from adloom.loop.demo.kept import EarlierDemo, KeptRun, clear, refuse_earlier, under_way
from adloom.loop.demo.parts import DemoPlan

PLAN = DemoPlan()


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    kept = KeptRun(tmp_path)
    run = kept.begun(PLAN)
    run.done.append("stock")
    kept.keep(run)
    return tmp_path


def test_a_run_that_was_cut_off_is_found_again(cut_off: Path) -> None:
    refuse_earlier(cut_off, PLAN)
    assert KeptRun(cut_off).begun(PLAN).done == ["stock"]


@pytest.mark.parametrize("other", [DemoPlan(rounds=3), DemoPlan(seed=1)])
def test_another_plan_does_not_go_on_with_it(cut_off: Path, other: DemoPlan) -> None:
    with pytest.raises(EarlierDemo, match="--rounds 2 --seed 0: with these it goes on"):
        refuse_earlier(cut_off, other)


def test_a_demo_that_is_over_is_not_run_again(cut_off: Path) -> None:
    (cut_off / "summary.json").write_text("{}")
    with pytest.raises(EarlierDemo, match="which is over"):
        refuse_earlier(cut_off, PLAN)


@pytest.mark.parametrize("content", [None, "", '{"done": 3}'])
def test_what_cannot_be_read_is_left_alone(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "home").mkdir()
    if content is not None:
        (tmp_path / "home/demo.json").write_text(content)
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "earlier demo" in result.output
    assert (tmp_path / "home").exists()


def test_begun_anew_removes_the_demo_and_nothing_else(cut_off: Path) -> None:
    (cut_off / "ads").mkdir()
    for name in ("report.html", "holiday.jpg"):
        (cut_off / name).write_text("")
    clear(cut_off)
    assert [path.name for path in cut_off.iterdir()] == ["holiday.jpg"]


def test_a_folder_of_others_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letters.txt").write_text("")
    result = CliRunner().invoke(app, ["demo", "--fresh", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "remove it yourself" in result.output
    assert (tmp_path / "home/letters.txt").exists()


def test_two_processes_do_not_run_one_demo(cut_off: Path) -> None:
    with under_way(cut_off):
        with pytest.raises(EarlierDemo, match="another process"), under_way(cut_off):
            pass
        result = CliRunner().invoke(app, ["demo", "--fresh", "--out", str(cut_off)])
    assert result.exit_code == 2
    assert "another process" in result.output
    assert KeptRun(cut_off).begun(PLAN).done == ["stock"]
