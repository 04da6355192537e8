"""Whatever a user gets wrong, or finds away, every command says so in one line.

A command that has no entry here fails the first test: what can go wrong with it is to be said.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adloom.loop.commands.app import app
from tests.loop.commands.hollow import hollow_base
from tests.loop.commands.tree import leaves

# What each command is called with: files are made by `there`.
CALLS: dict[str, str] = {
    "ads": "--pairs shown.csv --out batch",
    "backfill": "-y past.csv",
    "adapter merge": "--version 2 --out base",
    "base build": "--janus janus --out base",
    "base encode": "--data ads.csv --pictures . --base base --out shards",
    "base plan": "--janus 1b",
    "base register": "base",
    "base train": "--data shards --base base --stage general --out run",
    "bench features": "",
    "bench generate": "",
    "bench log": "",
    "bench retrieval": "",
    "bench stream": "",
    "capacity": "--users 1e6 --events-per-day 1e7 --ads-per-day 1e5",
    "catalog check": "feed.csv",
    "catalog embed": "",
    "catalog import": "feed.csv",
    "catalog list": "",
    "catalog retire": "tea",
    "catalog show": "tea",
    "consume": "",
    "creatives card": "ad --out card.webp",
    "creatives approve": "ad",
    "creatives ban": "ad --why dark",
    "creatives gc": "--older-than 90",
    "creatives history": "ad",
    "creatives import": "ads.csv",
    "creatives list": "",
    "creatives show": "ad",
    "creatives words allow": "cheap",
    "creatives words ban": "cheap",
    "creatives words list": "",
    "dataset export": "--out data",
    "deadletter list": "",
    "deadletter replay": "",
    "demo": "",
    "doctor": "",
    "evaluate": "",
    "events check": "",
    "experiment export": "--out users.csv",
    "experiment off-policy": "",
    "experiment power": "",
    "experiment report": "",
    "features check": "",
    "migrate": "",
    "forget": "u -y",
    "retention": "",
    "monitoring export": "",
    "pretrain": "",
    "pretrain-pbs": "",
    "promote": "7",
    "replay": "clicks.csv",
    "rollback": "",
    "rounds abandon": "7",
    "rounds list": "",
    "schema": "",
    "serve": "",
    "train-ranker": "",
    "train-round": "--force",
    "versions diff": "1 2",
    "versions show": "",
}
OF_HOME = [  # what these read or write is under home
    "ads",
    "forget",
    "backfill",
    "catalog check",
    "catalog embed",
    "catalog import",
    "catalog list",
    "catalog retire",
    "catalog show",
    "creatives card",
    "creatives approve",
    "creatives ban",
    "creatives gc",
    "creatives history",
    "creatives import",
    "creatives list",
    "creatives words allow",
    "creatives words ban",
    "creatives words list",
    "creatives show",
    "dataset export",
    "experiment off-policy",
    "features check",
]
OF_FILES = {
    "ads": "--out batch --pairs missing.csv",
    "capacity": "--users 1e6 --events-per-day 1e7 --ads-per-day 1e5 --figures missing.json",
    "backfill": "-y missing.csv",
    "base encode": "--pictures . --base base --out shards --data missing.csv",
    "catalog check": "missing.csv",
    "catalog import": "missing.csv",
    "creatives import": "missing.csv",
    "events check": "missing.jsonl",
    "replay": "missing.csv",
}
OF_REDIS = ["backfill", "features check", "forget"]
OF_WHAT_IS_NOT_THERE = {
    "ads": ("--pairs shown.csv --out batch", "the catalogue does not have 1 of 1 products (i)"),
    "adapter merge": ("--version 2 --out base", "no version 2"),
    "base register": ("base", "holds no ad generator"),
    "base build": ("--janus ./janus --out base", "there is no such folder"),
    "base encode": (
        "--data ads.csv --pictures . --base base --out shards",
        "base holds no ad generator",
    ),
    "base plan": ("--janus ./janus", "janus"),
    "base train": ("--data shards --base base --stage general --out run", "holds no shards"),
    "catalog import": ("", "no feed: name one"),
    "catalog retire": ("tea", "the catalogue does not have tea"),
    "catalog show": ("tea", "adloom catalog list shows"),
    "consume": ("", "consume needs a broker"),
    "creatives approve": ("ad", "no ad 'ad' in the creative store"),
    "creatives ban": ("ad --why dark", "no ad 'ad' in the creative store"),
    "creatives history": ("ad", "no ad 'ad' in the creative store"),
    "creatives import": ("ads.csv", "the catalogue has no products"),
    "creatives card": ("ad --out card.webp", "no ad 'ad' in the creative store"),
    "creatives show": ("ad", "no ad 'ad' in the creative store"),
    "dataset export": ("--out data", "the log has no click in this time"),
    "deadletter list": ("", "deadletter needs a broker"),
    "evaluate": ("--data shards", "adloom base encode"),
    "events check": ("", "give a FILE of payloads"),
    "experiment export": ("--out users.csv", "no experiment is defined"),
    "experiment power": ("", "whose window for clicks is over: give --rate"),
    "experiment report": ("", "no experiment is defined"),
    "pretrain-pbs": ("--data shards", "adloom base encode"),
    "promote": ("7", "no version 7"),
    "rollback": ("", "no earlier champion"),
    "versions diff": ("1 2", "no version 1"),
    "versions show": ("", "is @champion: none is registered yet"),
}
WRONG_VALUES = [
    "ads --pairs shown.csv --out batch --part-rows 0",
    "backfill --unit days",
    "base build --janus here --out base --dtype int8",
    "base encode --data a --pictures . --base b --out c --heldout 2",
    "base plan --janus 1b --memory much",
    "base train --data shards --base base --stage last --out run",
    "capacity --users 0 --events-per-day 1e7 --ads-per-day 1e5",
    "catalog list --limit 0",
    "creatives card ad --out card.webp --format poster",
    "creatives card ad --out card.webp --width 5000",
    "creatives card ad --out card.gif",
    "creatives list --limit x",
    "creatives list --state new",
    "creatives ban ad",
    "creatives gc --older-than -1",
    "creatives words ban cheap --language german!",
    "consume --port 70000",
    "dataset export --out data --since yesterday",
    "deadletter list --reason unlucky",
    "demo --rounds 99",
    "evaluate --data shards --records 1",
    "evaluate --shoppers 1",
    "events check --kind view",
    "experiment export --out users.xls",
    "experiment off-policy --campaign dogs",
    "experiment power --rate 2",
    "features check --sample 0",
    "promote two",
    "replay clicks.csv --rate 0",
    "replay clicks.csv --map ts",
    "schema cats",
    "serve --port -1",
]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that commands are given, and nothing else."""
    monkeypatch.chdir(tmp_path)
    moment = "2026-01-02T00:00:00Z"
    (tmp_path / "clicks.csv").write_text(f"ts,user_id,item_id,click\n{moment},u,i,1\n")
    (tmp_path / "past.csv").write_text(f"kind,event_id,ts,user_id,item_id\nclick,a,{moment},u,i\n")
    (tmp_path / "shown.csv").write_text("user_id,product_id\nu,i\n")
    (tmp_path / "feed.csv").write_text("id,title\ntea,Tea\n")
    (tmp_path / "ads.csv").write_text("ad_id,product_id,title,picture\n")
    return tmp_path


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def call(words: str, **env: str) -> Result:
    return CliRunner().invoke(app, words.split(), env=env)


def refused_in_one_line(result: Result) -> str:
    assert result.exit_code == 2, (result.output, result.exception)
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert result.stdout == ""
    return line


def test_every_command_is_walked() -> None:
    assert {" ".join(words) for words in leaves()} == CALLS.keys()


@pytest.mark.parametrize("command", CALLS)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[kafak]\n", "kafak: no such setting"),
        ("[kafka\n", "adloom.toml: not valid TOML"),
        ("[serve]\nport = 'x'\n", "serve.port: "),
    ],
    ids=["unknown", "no TOML", "wrong"],
)
def test_a_broken_settings_file_stops_it(command: str, text: str, told: str, there: Path) -> None:
    (there / "adloom.toml").write_text(text)
    before = set(there.rglob("*"))
    assert told in refused_in_one_line(call(f"{command} {CALLS[command]}"))
    assert set(there.rglob("*")) == before


@pytest.mark.parametrize("command", OF_HOME)
@pytest.mark.parametrize("home", ["file", "file/below", "/sys/adloom"])
def test_a_home_that_can_be_no_folder_is_told(command: str, home: str, there: Path) -> None:
    (there / "file").touch(mode=0o600)  # or that others can read it would be told first
    told = refused_in_one_line(call(f"{command} {CALLS[command]}", ADLOOM_HOME=home))
    assert "mend this" in told
    assert (there / "file").read_text() == ""


@pytest.mark.parametrize("command", OF_FILES)
@pytest.mark.parametrize("place", ["", "clicks.csv/"], ids=["missing", "below a file"])
def test_a_file_that_is_not_there_is_named(command: str, place: str, there: Path) -> None:
    *options, name = OF_FILES[command].split()
    told = refused_in_one_line(call(f"{command} {' '.join(options)} {place}{name}"))
    assert name in told


@pytest.mark.parametrize("command", OF_REDIS)
def test_a_redis_that_is_away_is_told(command: str, nobody: str, there: Path) -> None:
    redis = {"ADLOOM_FEATURES__ONLINE": "redis", "ADLOOM_FEATURES__REDIS_URL": nobody}
    assert "online store" in refused_in_one_line(call(f"{command} {CALLS[command]}", **redis))


@pytest.mark.parametrize("command", OF_WHAT_IS_NOT_THERE)
def test_what_an_empty_home_lacks_is_told_with_what_to_do(command: str, there: Path) -> None:
    given, told = OF_WHAT_IS_NOT_THERE[command]
    assert told in refused_in_one_line(call(f"{command} {given}"))


@pytest.mark.parametrize("words", WRONG_VALUES)
def test_a_value_that_does_not_fit_is_refused_and_nothing_done(words: str, there: Path) -> None:
    before = set(there.rglob("*"))
    result = call(words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert set(there.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ("replay clicks.csv", "adloom.loop.replay.checking.check_file"),
        ("catalog list", "adloom.loop.home.open_catalogue"),
        ("versions", "adloom.loop.home.open_registry"),
    ],
)
def test_ctrl_c_ends_it_without_a_traceback(
    words: str, target: str, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(target, interrupted)
    result = call(words)
    assert result.exit_code == 130
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "target", "told"),
    [
        ("adapter merge --version 2 --out out", "home.open_registry", "begins anew"),
        ("ads --pairs shown.csv --out out", "batch.begin.begin", "Nothing is drawn yet"),
        ("base build --janus base --dinov2 base --out out", "bases.build.build_base", "anew"),
        (
            "base encode --data ads.csv --pictures . --base base --out out",
            "bases.encode.encode_data_set",
            "The same command goes on after the shards",
        ),
        (
            "base train --data base --base base --stage general --out out",
            "bases.training.order.TrainingOrder.of",
            "It was before its first checkpoint",
        ),
        ("dataset export --out out", "home.open_features", "begins anew"),
        ("pretrain --out out", "demo.pretraining.pretrain.pretrain", "The same command goes on"),
        ("pretrain-pbs --out out", "demo.pretraining.background.pretrain_pbs", "goes on"),
        ("train-round", "home.open_features", "No round is cut off"),
    ],
    ids=lambda value: value.split(" --")[0] if " --" in value else "",
)
def test_ctrl_c_in_what_takes_long_says_what_is_kept(
    words: str, target: str, told: str, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    hollow_base(there / "base")
    monkeypatch.setattr(f"adloom.loop.{target}", interrupted)
    result = call(words)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.splitlines()[-1].startswith("Stopped. ")
    assert told in result.stderr.splitlines()[-1]
