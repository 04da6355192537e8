"""`adloom ads` in one go: what it draws, for whom, and what it refuses before it loads anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from adloom.feature_store.checking import check_all
from adloom.loop import home
from adloom.loop.commands.app import app
from adloom.loop.exposures.kept import KeptExposures
from adloom.loop.privacy.tombstones import Tombstones
from adloom.loop.serving.own_broker import own_broker
from adloom.loop.settings import Settings
from adloom.stream.cluster.refusals import BrokerUnavailable
from adloom.stream.forgotten import NOBODY
from tests.loop.batch.batch_home import CLICKERS, PRODUCTS, batch_shop, csv, parquet, rows_of
from tests.loop_parts import register_adapter

_NEW = "kim"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return batch_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def call(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    env = {
        "ADLOOM_HOME": str(settings.home),
        "ADLOOM_GENERATOR__PATH": str(settings.generator.path),
    }

    def run(words: str) -> Result:
        return CliRunner().invoke(app, ["ads", *words.split()], env=env)

    return run


Call = Callable[[str], Result]


def test_who_is_left_alone_gets_what_anyone_gets_and_nothing_counts_before_it_is_reported(
    call: Call, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicked, alone = CLICKERS
    with closing(home.open_catalogue(settings)) as catalogue:
        table = Tombstones(catalogue.engine)
        table.begin([table.names().of(alone)], opted_out=True)
    rows = [
        (clicked, PRODUCTS[0]),
        (alone, PRODUCTS[0]),
        (_NEW, PRODUCTS[0]),
        (clicked, PRODUCTS[0]),
    ]
    users, products = zip(*rows, strict=True)
    parquet(tmp_path / "pairs.parquet", user_id=users, product_id=products, other=[1, 2, 3, 4])
    words = "--pairs pairs.parquet --out out --no-exposure --json"
    first = call(words)
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert (told["ads"], told["drawn"], told["version"]) == (3, 3, "1")
    assert "1 row names again what was named before" in first.stderr

    drawn = {row["user_id"]: row for row in rows_of(tmp_path / "out")}
    assert list(drawn) == [clicked, alone, _NEW]
    assert drawn[alone]["exposure_id"] is None
    log = home.open_log(settings)
    assert log.read("exposure").query("user_id == @_NEW").empty
    with closing(home.open_catalogue(settings)) as catalogue:
        kept = KeptExposures(catalogue.engine, 30)
        reported = kept.report(drawn[clicked]["exposure_id"], None, NOBODY)
    assert reported.event is not None
    assert (reported.event.user_id, reported.ad_id) == (clicked, drawn[clicked]["ad_id"])
    assert reported.at <= datetime.now(UTC)
    with closing(home.open_creatives(settings)) as creatives:
        made = creatives.get_many([row["ad_id"] for row in drawn.values()])
    assert {ad.variant for ad in made.values()} == {"champion"}

    monkeypatch.setattr("adloom.loop.home.load_generator", loaded)
    again = call(words)
    assert json.loads(again.stdout) | {"drawn": 3} == told
    assert again.stderr == ""


def test_a_version_that_is_named_draws_and_the_folder_keeps_to_it(
    call: Call, settings: Settings, tmp_path: Path
) -> None:
    version = register_adapter(settings, home.open_registry(settings), "batch")
    csv(tmp_path / "users.csv", "user_id", [_NEW])
    csv(tmp_path / "products.csv", "product_id", [PRODUCTS[1]])
    words = "--users users.csv --products products.csv --out out --no-exposure"
    assert call(f"{words} --version {version}").exit_code == 0
    [row] = rows_of(tmp_path / "out")
    assert row["version"] == str(version)
    part = tmp_path / "out" / "ads" / "part-000000.parquet"
    for changed, told in {
        "": f"begun with version {version}, and this would be version 1: go on with --version",
        f"--version {version} --part-rows 7": "begun with --part-rows 1000",
    }.items():
        assert told in refused(call(f"{words} {changed}"))
    other = words.replace(" --no-exposure", "")
    assert "begun with --no-exposure" in refused(call(f"{other} --version {version}"))
    csv(tmp_path / "users.csv", "user_id", [_NEW, "lee"])
    assert "begun with another file as --users" in refused(call(f"{words} --version {version}"))
    csv(tmp_path / "users.csv", "user_id", [_NEW])
    part.write_bytes(part.read_bytes()[:-9])
    assert "is damaged: remove it" in refused(call(f"{words} --version {version}"))
    part.unlink()
    assert call(f"{words} --version {version}").exit_code == 0
    assert rows_of(tmp_path / "out") == [row]  # the ad that was drawn, not another


def loaded(*_: object, **__: object) -> None:
    raise AssertionError("the model is loaded")


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (2, ""), (result.output, result.exception)
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def test_what_cannot_be_drawn_is_told_in_one_line_and_nothing_is_made(
    call: Call, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adloom.loop.home.load_generator", loaded)
    with closing(home.open_catalogue(settings)) as catalogue:
        catalogue.retire(["oxford-shoes"])
    csv(tmp_path / "users", "user_id", ["ann"])
    csv(tmp_path / "none", "user_id", [])
    csv(tmp_path / "bad", "user_id", ["ann", "7.0", "x" * 129, '""'])
    csv(tmp_path / "nameless", "user", ["ann"])
    csv(tmp_path / "products", "product_id", [PRODUCTS[0]])
    csv(tmp_path / "unknown", "product_id", [PRODUCTS[0], "unicorn", "pegasus"])
    csv(tmp_path / "retired", "product_id", ["oxford-shoes"])
    parquet(tmp_path / "floats", user_id=[1.5, None], product_id=["a", "b"])
    csv(tmp_path / "both", "product_id", ["oxford-shoes", "unicorn"])
    csv(tmp_path / "twice", "user_id,user_id", ["ann,bob"])
    parquet(tmp_path / "nul", user_id=["a\0b"])
    parquet(tmp_path / "bytes", user_id=[b"\xff\xfe", b"ann"])
    fixed = pa.array([b"\xff\xfe"], pa.binary(2))
    pq.write_table(pa.table({"user_id": fixed}), tmp_path / "fixed")
    two = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["user_id", "user_id"])
    pq.write_table(two, tmp_path / "two")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    before = set(tmp_path.rglob("*"))
    for words, told in {
        "": "give --users FILE and --products FILE, or --pairs FILE",
        "--users users": "give --users FILE and --products FILE",
        "--users nobody --products products": "nobody: there is no such file",
        "--users nameless --products products": "no column user_id (its columns: user): call",
        "--users none --products products": "there is nothing to draw",
        "--users bad --products products": "bad: 3 rows are not what is wanted (line 3: user_id: "
        "7.0 is a number of a column with gaps",
        "--users users --products unknown": "does not have 2 of 3 products (unicorn, pegasus): "
        "import them",
        "--users users --products retired": "not sold any more: 1 of 1 products (oxford-shoes)",
        "--users users --products both": "does not have 1 of 2 products (unicorn); retired, and "
        "not sold any more: 1 of 2 products (oxford-shoes): import",
        "--users nul --products products": "(line 1: user_id has the character NUL)",
        "--users bytes --products products": "line 1: user_id: bytes that are no UTF-8: write",
        "--users fixed --products products": "line 1: user_id: bytes that are no UTF-8: write",
        "--users twice --products products": "several columns are called user_id: keep one",
        "--users two --products products": "several columns are called user_id: keep one",
        "--pairs floats": "line 1: user_id is float, no text and no whole number; line 2: user_id",
        "--users users --products products --version 9": "no version 9",
        "--users users --products products --workers 2": "--workers counts those of --ray",
        "--users users --products products --ray": "--ray needs a broker that all workers reach",
        "--users users --products products --out mine": "has other files than those of a batch",
        "--users users --products products --out users": "users is a file: name a folder",
    }.items():
        where = "" if "--out" in words else "--out out "
        assert told in refused(call(f"{where}{words}")), words
    assert set(tmp_path.rglob("*")) == before


def test_a_product_that_is_retired_after_a_batch_began_is_told_with_what_can_be_done(
    call: Call, settings: Settings, tmp_path: Path
) -> None:
    csv(tmp_path / "users", "user_id", ["ann"])
    csv(tmp_path / "products", "product_id", PRODUCTS[:2])
    words = "--users users --products products --out out --no-exposure --part-rows 1"
    assert call(words).exit_code == 0
    (tmp_path / "out" / "ads" / "part-000001.parquet").unlink()
    with closing(home.open_catalogue(settings)) as catalogue:
        sold = catalogue.entries(PRODUCTS[1:2])
        catalogue.retire([*sold])
        told = refused(call(words))
        catalogue.put([*sold.values()], {})
    assert "or draw the others into another --out" in told
    assert call(words).exit_code == 0


def test_a_batch_and_a_server_do_not_run_in_one_home_with_brokers_of_their_own(
    call: Call, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv(tmp_path / "users", "user_id", ["ann"])
    csv(tmp_path / "products", "product_id", [PRODUCTS[0]])
    words = "--users users --products products --out out"
    with own_broker(settings), own_broker(settings), monkeypatch.context() as patch:
        patch.setattr("adloom.loop.home.load_generator", loaded)
        told = refused(call(words))
        assert "adloom serve runs in" in told
        assert "or give --no-exposure" in told
    with (
        own_broker(settings, batch=True),
        pytest.raises(BrokerUnavailable, match="adloom ads runs in"),
        own_broker(settings),
    ):
        pass
    assert call(words).exit_code == 0
    with home.open_features(settings) as features:
        assert not check_all(features).differing


def test_two_do_not_draw_into_one_folder(call: Call, tmp_path: Path) -> None:
    from adloom.loop.batch.output import Output

    csv(tmp_path / "users", "user_id", ["ann"])
    csv(tmp_path / "products", "product_id", [PRODUCTS[0]])
    with Output(tmp_path / "out").alone():
        told = refused(call("--users users --products products --out out"))
        assert "another adloom ads draws into" in told
