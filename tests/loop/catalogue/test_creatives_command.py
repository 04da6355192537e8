"""`adloom creatives` on the shop of the tests: imported, killed, gone on with, listed, shown."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from adloom.loop.catalogue.intake.feed import import_feed
from adloom.loop.catalogue.opening import open_catalogue, open_creatives
from adloom.loop.commands.app import app
from adloom.loop.settings import load_settings
from tests.adloom_process import AdloomProcess
from tests.tiny_model import tiny_model

SHOP = Path(__file__).parents[2] / "shops" / "haushalt"
EXPECTED = json.loads((SHOP / "expected.json").read_text())


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's folder, its catalogue imported."""
    folder = tmp_path_factory.mktemp("haushalt") / "shop"
    shutil.copytree(SHOP, folder)
    tiny_model().save_pretrained(folder / "model")
    settings = load_settings(folder / "adloom.toml")
    catalogue = open_catalogue(folder / "home")
    assert import_feed(catalogue, str(folder / "feed.csv"), settings.catalog).new == 39
    catalogue.close()
    return folder


@pytest.fixture
def shop(stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(stocked, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setenv("ADLOOM_HOME", "home")
    monkeypatch.setenv("ADLOOM_GENERATOR__PATH", "model")
    monkeypatch.setenv("ADLOOM_GENERATOR__DEVICE", "cpu")
    return tmp_path / "shop"


def run(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["creatives", *arguments])
    assert done.exit_code == status, done.output
    return done.stdout if status == 0 else " ".join(done.stderr.split())


def kept(shop: Path) -> list[tuple[object, ...]]:
    """All that is kept of the shop's ads but when they came in."""
    with sqlite3.connect(shop / "home" / "adloom.db") as db:
        columns = "ad_id, product_id, title, picture, codes, background_codes, variant, stamp"
        return db.execute(f"SELECT {columns} FROM creative ORDER BY ad_id").fetchall()


def words(shop: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(shop / "home" / "adloom.db") as db:
        return db.execute("SELECT * FROM title_word ORDER BY language, word").fetchall()


def test_the_shops_ads_come_in_and_bad_rows_are_named(shop: Path) -> None:
    first = json.loads(run("import", "ads.csv", "--json"))
    assert (first["new"], first["unchanged"]) == (EXPECTED["ads"], 0)
    expected = EXPECTED["refused"]["ads.csv"]
    told = [(row["line"], row["ad_id"]) for row in first["refused_rows"]]
    assert told == [(row["line"], row["id"]) for row in expected]
    for row, meant in zip(first["refused_rows"], expected, strict=True):
        assert meant["reason"] in row["reason"]
    again = run("import", "ads.csv")
    assert "0 new, 62 as before, 7 refused." in again
    assert "Nothing changed." in again


def test_words_of_style_come_from_the_ads_of_each_language(shop: Path) -> None:
    run("import", "ads.csv")
    style = {(row[0], row[1]) for row in words(shop) if row[4]}
    phrases = {("de", "Schlicht schön"), ("de", "Edel und festlich"), ("ja", "華やかな食卓に")}
    assert phrases <= style
    assert ("de", "Mühlen-Duo") not in style


def test_own_names_of_columns_are_told_by_an_option(shop: Path) -> None:
    ads = (shop / "ads.csv").read_text().replace("ad_id,product_id,title", "Anzeige,Artikel,Text")
    (shop / "anzeigen.csv").write_text(ads)
    problem = run("import", "anzeigen.csv", status=2)
    assert "there is no column 'ad_id'" in problem
    maps = ["--map", "ad_id=Anzeige", "--map", "product_id=Artikel", "--map", "title=Text"]
    assert "62 new" in run("import", "anzeigen.csv", *maps)
    assert "write it as ATTRIBUTE=COLUMN" in run("import", "ads.csv", "--map", "x", status=2)


def test_without_a_catalogue_it_says_what_to_do(shop: Path) -> None:
    shutil.rmtree(shop / "home")
    problem = run("import", "ads.csv", status=2)
    assert "the catalogue has no products: import it first (adloom catalog import)" in problem


def test_ads_are_listed_and_shown(shop: Path) -> None:
    run("import", "ads.csv")
    listed = json.loads(run("list", "--limit", "100", "--json"))
    newest = [(ad["served_at"], ad["ad_id"]) for ad in listed]
    assert (len(newest), newest) == (62, sorted(newest, reverse=True))
    assert "2 of 62 ads." in run("list", "--after", listed[59]["ad_id"])
    assert "no ad 'none'" in run("list", "--after", "none", status=2)
    assert "1 of 2 such ads; there are 62 in all." in run(
        *("list", "--product", "K-1001", "--limit", "1")
    )
    assert "0 of 0 such ads" in run("list", "--state", "draft")
    shown = json.loads(run("show", "anz-007", "--json", "--picture", "ad.png"))
    assert (shown["product_id"], shown["title"]) == ("J-2001", "華やかな食卓に、抹茶茶碗")
    with Image.open(shop / "ad.png") as written, Image.open("pictures/ads/anz-007.webp") as own:
        assert written.convert("RGB").tobytes() == own.convert("RGB").tobytes()
    assert "no ad 'none' in the creative store" in run("show", "none", status=2)


def test_an_ad_is_written_as_a_card(shop: Path) -> None:
    run("import", "ads.csv")
    for name, size in {"square": (1080, 1080), "story": (1080, 1920)}.items():
        told = json.loads(run("card", "anz-002", "--format", name, "--out", "a.webp", "--json"))
        assert (told["size"], told["missing_letters"]) == (list(size), "")
        with Image.open(shop / "a.webp") as card:
            assert (card.format, card.size) == ("WEBP", size)
    options = ["--format", "landscape", "--no-banner", "--width", "600", "--out", "b.jpg"]
    assert "b.jpg: 600 x 314 pixels." in run("card", "anz-007", *options)
    with Image.open(shop / "b.jpg") as card:
        assert (card.format, card.size) == ("JPEG", (600, 314))
    digest = json.loads(run("show", "anz-002", "--json"))["picture"]
    [picture] = (shop / "home").rglob(f"{digest}.webp")
    picture.unlink()
    problem = run("card", "anz-002", "--out", "c.png", status=2)
    assert "the picture of ad 'anz-002' is not kept any more" in problem
    assert not (shop / "c.png").exists()


def started(shop: Path) -> AdloomProcess:
    return AdloomProcess("creatives", "import", "many.csv", folder=shop)


def write_many(shop: Path, times: int) -> int:
    """A file with each ad so many times, under ids of their own; returns how many ads it has."""
    header, *rows = (shop / "ads.csv").read_text().splitlines()[:63]
    many = [f"{n:02d}-{row}" for n in range(times) for row in rows]
    (shop / "many.csv").write_text("\n".join([header, *many]))
    return len(many)


def ads_in(shop: Path) -> int:
    store = open_creatives(shop / "home")
    try:
        return len(store)
    finally:
        store.close()


def wait_for_more(shop: Path, process: AdloomProcess, than: int) -> None:
    while process.runs and ads_in(shop) <= than:
        time.sleep(0.01)


@pytest.mark.slow
def test_an_import_that_is_killed_again_and_again_ends_as_one_that_was_not(shop: Path) -> None:
    count = write_many(shop, 3)
    undisturbed = shutil.copytree(shop, shop.parent / "undisturbed")
    _, told, _ = started(undisturbed).ended()
    assert f"{count} new" in told
    for _ in range(2):
        process = started(shop)
        wait_for_more(shop, process, than=ads_in(shop))
        process.kill()
    assert 0 < ads_in(shop) <= count
    status, _, _ = started(shop).ended()
    assert status == 0
    assert kept(shop) == kept(undisturbed)
    assert words(shop) == words(undisturbed)
    pictures = [
        sorted(path.name for path in (folder / "home/catalogue/pictures").rglob("*.webp"))
        for folder in (shop, undisturbed)
    ]
    assert pictures[0] == pictures[1]


@pytest.mark.slow
def test_an_import_that_is_interrupted_says_so_and_goes_on(shop: Path) -> None:
    for times in (4, 8, 16, 32):  # on a busy machine one may end before it hears of it
        count, before = write_many(shop, times), ads_in(shop)
        process = started(shop)
        wait_for_more(shop, process, than=before)
        process.interrupt()
        status, told, problems = process.ended()
        if status != 0:
            break
    assert status == 130
    assert "Stopped; the same command goes on from here." in problems
    assert "Traceback" not in problems
    taken = ads_in(shop)
    assert f"{taken - before:,} new" in told
    _, told, _ = started(shop).ended()
    assert f"{count - taken:,} new, {taken:,} as before" in told
