"""What a load takes, reckoned by hand and by the command; figures of a shop's own."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adloom.loop.bench.generate import bench_generate
from adloom.loop.bench.log.members import commits_together
from adloom.loop.capacity.figures import UnknownFigures, drawing, figures_in, own_figures, shapes
from adloom.loop.capacity.reckoning import Load, Need, first_wall, reckon
from adloom.loop.commands.app import app
from tests.tiny_model import tiny_model

BIG = Load(users=1e8, events_per_day=1e9, ads_per_day=1e7)


def needs(load: Load) -> dict[str, Need]:
    return {need.part: need for need in reckon(load, own_figures())}


def call(words: str) -> Result:
    asked = f"capacity --users 1e6 --events-per-day 1e7 --ads-per-day 1e5 {words}"
    return CliRunner().invoke(app, asked.split(), env={"COLUMNS": "300"})


def test_every_figure_says_where_it_is_from() -> None:
    figures = own_figures()
    assert {"demo", "janus-pro-1b", "janus-pro-7b"} == set(shapes(figures))
    for figure in figures.values():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d, [0-9a-f]{7}", figure.measured), figure
        assert figure.command.startswith(("adloom bench ", "python -m tests.benchmarks."))
        assert figure.machine


def test_a_load_is_reckoned_as_by_hand() -> None:
    found, figure = needs(BIG), own_figures()
    assert found["Kafka's disks"].amount == pytest.approx(1e9 * 7 * 3 * 276 / 1e9)
    of_users = figure["redis_bytes_per_user"].value
    assert found["online store"].amount == pytest.approx(1e8 * 2 * of_users / 1e9)
    assert found["Redis servers"].amount == 2 * -(-1e8 * of_users // (64e9 * 0.75))
    # 347.2 ads a second at the peak, and 7.1 times 0.7 of each server.
    assert found["servers that draw"].amount == 70
    # 34,722 events a second at the peak, and 42,600 times 0.7 of each consumer.
    assert found["consumers"].amount == 2
    assert found["commits to the log"].amount == 1


def test_what_is_asked_for_moves_what_it_should_and_nothing_else() -> None:
    before = needs(BIG)
    for change, moved in (
        ({"users": 2e8}, {"online store", "Redis servers"}),
        ({"kafka_days": 14.0}, {"Kafka's disks"}),
        ({"replication": 2}, {"Kafka's disks"}),
        ({"picture_days": 60.0}, {"pictures"}),
        ({"shape": "janus-pro-7b"}, {"servers that draw"}),
        ({"log_days": 30.0}, {"log", "database"}),
        ({"commit_seconds": 4.0}, {"commits to the log"}),
        ({"peak": 30.0}, {"consumers", "partitions", "servers that draw", "commits to the log"}),
    ):
        after = needs(replace(BIG, **change))
        assert {part for part in after if after[part].amount != before[part].amount} == moved
    many = needs(replace(BIG, events_per_day=1e12))
    assert many["consumers"].amount == -(-1e12 / 86_400 * 3 // (42_600 * 0.7))
    assert many["Redis servers"].amount == 2 * many["consumers"].amount  # by events, not memory


def test_the_first_wall_is_the_fullest() -> None:
    found = reckon(BIG, own_figures())
    wall = first_wall(found)
    assert wall.part == "database"
    assert wall.utilisation == pytest.approx(1e7 * 365 * 4_772 / 1e9 / 4_000)
    roomy = first_wall(reckon(replace(BIG, database_gb=1e6, gpus=10), own_figures()))
    assert (roomy.part, roomy.utilisation) == ("servers that draw", 7.0)


def test_the_command_tells_each_part_its_figure_and_the_wall() -> None:
    result = call("")
    assert result.exit_code == 0
    assert "42,600 events/s: adloom bench stream --json" in result.stdout
    assert "The first wall: commits to the log, at 12% of 8 a second" in result.stdout
    assert "All of it fits." in result.stdout
    assert "It does not fit." in call("--database-gb 10").stdout
    told = json.loads(call("--json").stdout)
    assert told["first_wall"] == {"part": "commits to the log", "utilisation": 0.125}
    assert {need["part"] for need in told["needs"]} == set(needs(BIG))
    assert all(need["figure"]["command"] for need in told["needs"])


def test_the_json_of_a_benchmark_is_taken_as_it_is(tmp_path: Path) -> None:
    measured = bench_generate(tiny_model(), quick=True)
    members = {"members": {"2": commits_together(tmp_path / "log", 2, 1)}}
    (tmp_path / "generate.json").write_text(json.dumps(measured))
    (tmp_path / "log.json").write_text(json.dumps(members))
    (tmp_path / "stream.json").write_text(
        json.dumps({"events_per_second": {"zipf_polling": 9e4, "zipf_adloom": 5e4}})
    )
    found = figures_in(tmp_path / "generate.json", "own")
    rate = max(measured["ads_per_second"].values())
    assert found[drawing("own")].value == rate
    assert figures_in(tmp_path / "log.json", "own")["log_commits_per_second"].value == 1.0
    assert figures_in(tmp_path / "stream.json", "own")["events_per_second"].value == 5e4
    files = " ".join(f"--figures {tmp_path / name}.json" for name in ("generate", "log", "stream"))
    told = json.loads(call(f"--shape own {files} --json").stdout)
    [draws] = [need for need in told["needs"] if need["part"] == "servers that draw"]
    assert draws["figure"]["value"] == rate
    assert draws["figure"]["measured"] == "generate.json"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Invalid JSON"),
        ("{}", "has no figures that are known"),
        ("[]", "has no figures that are known"),
        ('{"ads_per_second": {"1": -3}}', "greater than 0"),
        ('{"ads_per_second": {"1": "many", "8": 2}}', "valid number"),
        ('{"events_per_second": 5}', "has no figures that are known"),
        ('[{"name": "x"}]', "Field required"),
        ('{"kafka_bytes_an_event": null}', "valid number"),
    ],
)
def test_a_file_without_figures_is_told_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(text)
    with pytest.raises(UnknownFigures, match=r"mine\.json.*" + told):
        figures_in(file, "own")
    result = call(f"--figures {file}")
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert told in line


def test_a_shape_that_nobody_measured_is_told() -> None:
    result = call("--shape mine")
    assert result.exit_code == 2
    assert "there are figures of demo, janus-pro-1b, janus-pro-7b" in result.stderr
