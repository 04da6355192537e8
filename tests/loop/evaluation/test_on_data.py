"""Judging on a data set: arms, figures, groups, and what cannot be judged."""

from __future__ import annotations

import io
import json
import weakref
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from adloom.loop.commands.app import app
from adloom.loop.evaluation.dataset import run
from adloom.loop.evaluation.dataset.arms import ARMS, history
from adloom.loop.evaluation.dataset.drawing import Drawer
from adloom.loop.evaluation.dataset.evaluate import DatasetPlan, Evaluation
from adloom.loop.evaluation.dataset.judge import Judge, JudgedAd
from adloom.loop.evaluation.dataset.records import OtherShoppers
from adloom.loop.evaluation.dataset.tables import report_tables
from adloom.loop.evaluation.dataset.tally import Report, Tally, report
from adloom.loop.evaluation.dataset.title_rules import RecordTitles, learnt_words
from adloom.loop.learning.registered_model import Version
from adloom.loop.settings import Settings
from adloom.loop.settings.titles import TitleSettings
from adloom.models.ad_generator import AdGenerator
from adloom.models.datasets.record import AdRecord
from adloom.models.datasets.shards import Manifest
from adloom.models.quality.background import BackgroundEncoder
from adloom.models.sampling import Sampling
from tests.loop.evaluation.small_dataset import small_records, write_small_dataset
from tests.models.public_inception import public_inception
from tests.tiny_model import TINY, tiny_generator, tiny_model


@pytest.fixture(scope="module")
def generator() -> AdGenerator:
    return tiny_generator()


@pytest.fixture(scope="module")
def records(generator: AdGenerator) -> list[AdRecord]:
    return small_records(generator)


@pytest.fixture(scope="module")
def shards(generator: AdGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_dataset(tmp_path_factory.mktemp("data") / "shards", generator)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tiny_model().save_pretrained(folder)
    return folder


def test_each_arm_tells_of_the_shopper_in_its_own_way(records: list[AdRecord]) -> None:
    record, other = records[0], records[2]
    told = {arm: history(arm, record, other, 3) for arm in ARMS}
    assert told["no_history"] == ()
    assert told["no_fine"] == told["full"] != told["random_history"]
    assert set(map(id, told["random_history"])) <= set(map(id, record.history))
    assert set(map(id, told["other_shopper"])) <= set(map(id, other.history))
    assert history("other_shopper", record, None, 3) == ()
    assert all(len(told[arm]) == 3 for arm in ARMS[1:])
    assert told["random_history"] == history("random_history", record, other, 3)


@pytest.mark.parametrize("arm", ARMS)
def test_no_arm_is_shown_the_title_that_is_to_be_written(arm: str, records: list[AdRecord]) -> None:
    written = records[0].titles[0]
    past = tuple(replace(ad, title=written) for ad in records[0].history)
    record = replace(records[0], history=past, likeness=(0.0,) * len(past))
    assert history(arm, record, record, 4) == ()


def test_somebody_else_clicked_none_of_the_same_ads(records: list[AdRecord]) -> None:
    same = [replace(records[0], record_id=f"again {n}") for n in range(3)]
    assert OtherShoppers().of(same) == [None] * 3
    somebody = OtherShoppers()
    first = somebody.of([*same, records[1]])
    assert [other and other.record_id for other in first] == ["r1", "r1", "r1", "again 2"]
    assert [other and other.record_id for other in somebody.of([records[2]])] == ["r1"]


def test_the_ad_that_was_clicked_scores_best(records: list[AdRecord]) -> None:
    judge = Judge(BackgroundEncoder.from_pretrained())
    pictures = [record.opened_picture() for record in records]
    clicked, shifted = judge.seen(pictures), judge.seen([*pictures[1:], pictures[0]])
    ads = [JudgedAd(r.titles[0], p, r.name) for r, p in zip(records, pictures, strict=True)]
    same = judge.values(ads, clicked, records, clicked)
    other = judge.values([*ads[1:], ads[0]], shifted, records, clicked)
    for metric in ("pbs", "bleu", "rouge_l"):
        assert np.allclose(same[metric], 1, atol=1e-4)
        assert other[metric].mean() < 0.99


def test_differences_are_those_of_the_same_records() -> None:
    tally, rng = Tally(), np.random.default_rng(0)
    plain = rng.normal(0.5, 0.3, 60)
    records = [AdRecord("r", "heldout", "n", ("t",), b"", b"", np.zeros(1, np.int16))] * 60
    tally.add_records(records, rng.normal(size=(60, 4)).astype(np.float32))
    for arm in ARMS:
        better = 0.1 * (arm == "full")
        features = rng.normal(size=(60, 4)).astype(np.float32)
        tally.add_arm(arm, {"pbs": plain + better}, features)
    found = report(tally, "base", None, inception=False, seed=0).overall
    gain = found.differences["full"]["pbs"]
    assert (gain.low, gain.mean, gain.high) == pytest.approx((0.1, 0.1, 0.1))
    of_arm = found.arms["full"]["pbs"]
    assert of_arm.high - of_arm.low > 0.1
    assert "no_history" not in found.differences


class Watched:
    """Embeds pictures and remembers them weakly."""

    def __init__(self) -> None:
        self.seen: list[weakref.ref[Image.Image]] = []

    def embed(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        self.seen += [weakref.ref(picture) for picture in pictures]
        return np.eye(64, dtype=np.float32)[[len(self.seen) % 64] * len(pictures)]


def test_pictures_are_let_go_of_once_they_are_judged(generator: AdGenerator, shards: Path) -> None:
    watched = Watched()
    titles = RecordTitles(TitleSettings(), learnt_words(shards))
    drawer = Drawer(generator, None, Sampling(), titles, 4, TINY.picture_size)
    plan = DatasetPlan(shards, batch=2, sheet_rows=0)
    tally, rows = Evaluation(drawer, Judge(watched)).run(plan)
    assert len(watched.seen) == 6 * (1 + len(ARMS))
    assert not rows
    assert len(tally.languages) == 6
    assert not [picture for picture in watched.seen if picture() is not None]


def test_titles_are_held_to_their_product_as_when_served(
    generator: AdGenerator, shards: Path, records: list[AdRecord]
) -> None:
    settings = TitleSettings.model_validate({"banned": ["eco"], "en": {"words": ["Choose"]}})
    rules = RecordTitles(settings, learnt_words(shards)).rules(records[0])
    assert (rules.style_words, rules.banned, rules.may_speak_of_saving) == (
        ("Choose",),
        ("eco",),
        False,
    )
    learnt = RecordTitles(TitleSettings(), {"zh": ("每天都用",)}).rules(records[2])
    assert (learnt.language, learnt.style_words) == ("zh", ("每天都用",))


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def adapter(generator: AdGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    generator.new_adapter("trained", rank=2, alpha=2)
    with torch.no_grad():
        for weight in generator.lora_parameters("trained").values():
            weight.normal_(std=0.2)
    generator.save_adapter("trained", folder)
    generator.drop_adapter("trained")
    return folder


def test_the_command_tells_all_figures_and_writes_the_sheet(
    base: Path, shards: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "out" / "sheet.png"
    of_base = evaluate("--data", shards, "--base", base, "--sheet", sheet, "--json")
    assert of_base.exit_code == 0, of_base.output
    told = json.loads(of_base.stdout)
    assert told["overall"]["records"] == 6
    assert set(told["overall"]["arms"]) == set(told["kid"]) == set(told["fid"]) == set(ARMS)
    metrics = {"pbs", "bleu", "rouge_l", "true_title"}
    assert set(told["overall"]["arms"]["full"]) == metrics
    assert {name: group["records"] for name, group in told["by_language"].items()} == {
        "en": 4,
        "zh": 2,
    }
    assert told["distances_of"] == "pbs"
    with Image.open(sheet) as picture:
        assert picture.width > (3 + len(ARMS)) * 200
    printed = io.StringIO()
    console = Console(width=200, file=printed)
    console.print(*report_tables(Report.model_validate_json(of_base.stdout)))
    shown = printed.getvalue()
    for words in ("6 held-out records", "Difference to no_history", "By language", "KID (PBS)"):
        assert words in shown


def test_distances_are_taken_on_inception_features_where_its_weights_are_given(
    base: Path, shards: Path, tmp_path: Path
) -> None:
    torch.save(public_inception(), tmp_path / "fid.pth")
    weights: list[str | Path] = ["--inception", tmp_path / "fid.pth", "--records", "2"]
    made = evaluate(
        "--data", shards, "--base", base, *weights, "--sheet", tmp_path / "sheet.png", "--json"
    )
    assert made.exit_code == 0, made.output
    told = Report.model_validate_json(made.stdout)
    assert told.distances_of == "inception"
    assert min(told.fid.values()) > 4  # PBS' features are of length one: never further apart
    printed = io.StringIO()
    Console(width=200, file=printed).print(*report_tables(told))
    assert "KID (PBS)" not in printed.getvalue()


def test_an_adapter_and_a_version_that_holds_it_are_judged_alike(
    generator: AdGenerator,
    shards: Path,
    adapter: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Registry:
        def versions(self) -> list[Version]:
            return [self.version(1), self.version(2)]

        def version(self, number: int) -> Version:
            return Version(number, "run", datetime(2026, 1, 1, tzinfo=UTC), {}, ())

        def adapter(self, version: Version) -> Path | None:
            return adapter if version.number == 2 else None

    monkeypatch.setattr(run, "open_registry", lambda settings: Registry())
    monkeypatch.setattr(run, "load_generator", lambda settings: generator)
    settings = Settings()
    plan = DatasetPlan(shards, records=2)
    found = {
        name: run.evaluate_on_data(settings, judged, plan, seed=0)[0]
        for name, judged in {
            "base": run.Judged(),
            "adapter": run.Judged(adapter=adapter),
            "version": run.Judged(version=2),
            "bare version": run.Judged(version=1),
        }.items()
    }
    assert found["adapter"].overall == found["version"].overall
    assert found["adapter"].overall != found["base"].overall == found["bare version"].overall
    assert found["version"].adapter == "version 2"


def test_a_sheet_that_cannot_be_written_at_the_end_costs_no_report(
    base: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet, judge = tmp_path / "sheet.png", run.evaluate_on_data

    def judged_while_somebody_makes_a_folder_there(*given: Any) -> Any:
        sheet.mkdir()
        return judge(*given)

    monkeypatch.setattr(run, "evaluate_on_data", judged_while_somebody_makes_a_folder_there)
    made = evaluate("--data", shards, "--base", base, "--records", "2", "--sheet", sheet, "--json")
    assert made.exit_code == 2
    assert Report.model_validate_json(made.stdout).overall.records == 2
    assert f"the contact sheet {sheet} could not be written" in made.stderr.splitlines()[-1]


def test_what_cannot_be_judged_is_told_in_a_line(
    base: Path, shards: Path, tmp_path: Path, generator: AdGenerator
) -> None:
    few = write_small_dataset(tmp_path / "few", generator, small_records(generator, 1))
    other = write_small_dataset(tmp_path / "other", generator)
    found = Manifest.load(other)
    found.model_copy(update={"codebook": "another"}).save(other)
    begun = write_small_dataset(tmp_path / "begun", generator)
    found.model_copy(update={"complete": False}).save(begun)
    told: dict[str, list[str | Path]] = {
        "adloom base encode": ["--data", tmp_path],
        "of two at the least": ["--data", few],
        "another codebook": ["--data", other, "--base", base],
        "not encoded to its end": ["--data", begun],
        "one of them": ["--data", shards, "--adapter", base, "--version", "1"],
        "--data SHARDS": ["--adapter", base],
        "no background encoder": ["--data", shards, "--pbs", tmp_path / "no.pth"],
        "no weights of Inception-v3": ["--data", shards, "--inception", tmp_path / "no.pth"],
        "--inception judges on a data set": ["--inception", base],
        "no such folder": ["--data", shards, "--clip", tmp_path / "no"],
        "holds no CLIP model": ["--data", shards, "--pick-score", base],
        "adapter_config.json": ["--data", shards, "--base", base, "--adapter", tmp_path],
        "no version 7": ["--data", shards, "--base", base, "--version", "7"],
    }
    for words, arguments in told.items():
        sheet = tmp_path / "sheet.png"
        refused = evaluate(*arguments, "--sheet", sheet)
        assert refused.exit_code == 2, (words, refused.output, refused.exception)
        assert words in " ".join(refused.stderr.split()), refused.stderr
        assert "Traceback" not in refused.stderr
        assert not sheet.exists()
